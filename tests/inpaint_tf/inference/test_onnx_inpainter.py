"""Fills by ONNX Runtime are those of Keras, need neither Keras nor TensorFlow, and start first."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import inpaint_tf
from inpaint_tf import weights
from inpaint_tf.inference import NetworkInpainter, loading
from inpaint_tf.inference.inpainter import DEFAULT_MEMORY
from inpaint_tf.inference.onnx_inpainter import OnnxInpainter
from inpaint_tf.inference.onnx_stages import GRAPHS
from inpaint_tf.model_source import ModelSource
from inpaint_tf.models import create
from neuralgym_lite.errors import UserError

# Hides packages, as if they were not installed, and lists what was imported of them.
WITHOUT_TENSORFLOW = """
import sys

HIDDEN = ("tensorflow", "keras", "jax")

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in HIDDEN
        return None if hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
import numpy as np
import inpaint_tf

image, mask = np.load(sys.argv[1]), np.load(sys.argv[2])
inpainter = inpaint_tf.load("ca-photos")
np.save(sys.argv[3], inpainter.fill(image, mask))
print(inpainter.engine_name)
"""


def photograph(height, width, hole, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), "uint8")
    image = image.repeat(4, 0).repeat(4, 1)[:height, :width]
    mask = np.zeros((height, width), "uint8")
    top, left, tall, wide = hole
    mask[top : top + tall, left : left + wide] = 1
    return image, mask


@pytest.fixture(scope="module", params=["hole", "mosaic"])
def both(request, tmp_path_factory):
    """The inpainters of one network, by Keras and by ONNX Runtime."""
    file = tmp_path_factory.mktemp(request.param) / "generator.keras"
    keras.utils.set_random_seed(1)
    create("ca", width=32, mask_mode=request.param).save(file)
    by_onnx = OnnxInpainter.load(ModelSource.find(file), DEFAULT_MEMORY, None, detail=False)
    return inpaint_tf.load(file), by_onnx


@pytest.mark.parametrize("name", ["ca-photos", "ca-mosaic"])
def test_networks_that_come_with_the_install_are_known(name, tmp_path):
    source = ModelSource.find(name)
    file = tmp_path / "generator.keras"
    source.load_generator().save(file)  # with the names of now
    image, mask = photograph(64, 64, (20, 20, 24, 24))
    shipped, saved = (
        OnnxInpainter.load(each, DEFAULT_MEMORY, 64, detail=False).fill(image, mask)
        for each in (source, ModelSource.find(file))
    )
    assert np.array_equal(shipped, saved)
    assert not np.array_equal(shipped, image)


@pytest.mark.parametrize(
    ("size", "hole"),
    [((96, 128), (40, 40, 24, 30)), ((75, 61), (0, 0, 20, 61)), ((40, 40), (0, 0, 40, 40))],
)
def test_fills_as_keras(both, size, hole):
    image, mask = photograph(*size, hole)
    expected, filled = (each.fill(image, mask).astype(int) for each in both)
    assert np.abs(filled - expected).max() <= 1
    assert (filled != expected).mean() <= 1e-4
    assert (filled[mask == 1] != image[mask == 1]).any()


def test_offsets_and_whole_predictions_are_those_of_keras(both):
    image, mask = photograph(64, 96, (20, 24, 16, 16))
    expected, found = (each.fill(image, mask, return_attention=True)[1] for each in both)
    assert (found == expected).mean() >= 0.99
    whole, predicted = (each.predict(image, mask).astype(int) for each in both)
    assert np.abs(predicted - whole).max() <= 1


def test_reduces_for_the_coarse_network_as_keras(tmp_path):
    keras.utils.set_random_seed(1)
    create("ca", width=32).save(tmp_path / "model.keras")
    source = ModelSource.find(tmp_path / "model.keras")
    by_onnx = OnnxInpainter.load(source, DEFAULT_MEMORY, 64, detail=False)
    image, mask = photograph(96, 120, (30, 30, 40, 40))
    expected = inpaint_tf.load(source.path, coarse_at=64).fill(image, mask).astype(int)
    filled = by_onnx.fill(image, mask)
    assert np.abs(filled - expected).max() <= 1
    assert np.any(
        filled != OnnxInpainter.load(source, DEFAULT_MEMORY, None, False).fill(image, mask)
    )
    with pytest.raises(UserError, match="`coarse_at` must be at least 64 pixels, not 8"):
        OnnxInpainter.load(source, DEFAULT_MEMORY, 8, detail=False)


@pytest.mark.parametrize("options", [{"width": 4}, {"width": 32, "compat": "torch"}])
def test_other_networks_are_for_keras(tmp_path, options):
    create("ca", **options).save(tmp_path / "model.keras")
    source = ModelSource.find(tmp_path / "model.keras")
    assert OnnxInpainter.load(source, DEFAULT_MEMORY, None, detail=False) is None


def test_a_damaged_file_is_for_keras_to_explain(tmp_path):
    data = (weights.locate("ca-photos") / weights.GENERATOR_FILE).read_bytes()
    (tmp_path / "model.keras").write_bytes(data[: len(data) // 2])
    source = ModelSource.find(tmp_path / "model.keras")
    assert OnnxInpainter.load(source, DEFAULT_MEMORY, None, detail=False) is None


def test_the_first_to_answer_is_taken(monkeypatch, tmp_path):
    # Keras has been imported here.
    assert isinstance(inpaint_tf.load("ca-mosaic", engine="auto"), NetworkInpainter)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(loading, "GPU", tmp_path / "none")
    assert loading._prefers_onnx("auto")
    assert not loading._prefers_onnx("keras")
    monkeypatch.setattr(loading, "GPU", tmp_path)
    assert not loading._prefers_onnx("auto")
    with pytest.raises(UserError, match="Unknown engine: 'onyx'. Known: auto, keras."):
        inpaint_tf.load("ca-photos", engine="onyx")


def test_fills_without_tensorflow(tmp_path):
    image, mask = photograph(96, 128, (40, 40, 24, 30))
    files = [tmp_path / name for name in ("image.npy", "mask.npy", "filled.npy")]
    np.save(files[0], image)
    np.save(files[1], mask)
    program = [sys.executable, "-c", WITHOUT_TENSORFLOW, *files]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "ONNX Runtime", done.stderr
    # The shipped networks compute in bfloat16 under Keras where the processor has it.
    source = ModelSource.find("ca-photos")
    here = OnnxInpainter.load(source, DEFAULT_MEMORY, None, source.default_detail)
    np.testing.assert_array_equal(np.load(files[2]), here.fill(image, mask))


def test_the_graphs_are_those_of_the_network(monkeypatch, tmp_path):
    path = Path(__file__).parents[3] / "tools" / "ship_onnx.py"
    spec = importlib.util.spec_from_file_location("ship_onnx", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "GRAPHS", tmp_path)
    tool.main()
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (GRAPHS / file.name).read_bytes(), f"run {path}"
    assert len(list(GRAPHS.iterdir())) == len(list(tmp_path.iterdir())) == 4
