"""Exported models are loaded, filled with and scored like the network they came from."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from small_exports import FORMATS, NETWORK

import inpaint_tf
from inpaint_tf.exported_version import EXPORT_FACTS, ExportedVersion
from inpaint_tf.inference.exported import ExportedInpainter
from inpaint_tf.model_source import ModelSource
from inpaint_tf.report.page import render_page
from inpaint_tf.report.table import render_table
from neuralgym_lite.errors import UserError

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*tf.lite:UserWarning")
]


@pytest.fixture(scope="module")
def network(exports):
    return exports / NETWORK


def photograph(height=45, width=61, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[10:30, 20:44] = 1
    return image, mask


@pytest.mark.parametrize("file_format", FORMATS)
def test_fills_as_the_network(network, exports, file_format):
    exported = inpaint_tf.load(exports / file_format)
    image, mask = photograph()
    filled = exported.fill(image, mask)
    expected = inpaint_tf.load(network).fill(image, mask)
    assert np.abs(filled.astype(int) - expected).max() <= 1
    assert (filled != expected).mean() <= 1e-3
    batch = exported.fill(np.stack([image, image]), np.stack([mask, 0 * mask])[..., None])
    assert np.abs(batch[0].astype(int) - filled).max() <= 1
    np.testing.assert_array_equal(batch[1], image)


@pytest.mark.parametrize("file_format", FORMATS)
def test_says_what_it_is(exports, file_format):
    exported = inpaint_tf.load(exports / file_format)
    assert isinstance(exported, ExportedInpainter)
    assert exported.name == f"small, {file_format}"
    assert exported.has_attention == (file_format == "saved_model")
    assert exported.mask_mode.name == "hole"
    known = exported.provenance()
    assert (known["format"], known["precision"]) == (file_format, "float32")
    assert len(known["sha256"]) == len(known["network"]) == 64
    if file_format != "saved_model":
        file = exports / file_format / "1" / f"model.{file_format}"
        assert known["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"format='{file_format}'" in repr(exported)


def test_attention_of_a_saved_model(network, exports):
    image, mask = photograph()
    pairs = [
        inpaint_tf.load(source).fill(image, mask, return_attention=True)[1]
        for source in (network, exports / "saved_model")
    ]
    np.testing.assert_array_equal(*pairs)


def test_scores_are_those_of_the_network(network, exports):
    options = {"dataset": "samples", "image_size": 32, "limit": 4, "baselines": False}
    sources = [network, *(exports / name for name in FORMATS)]
    scores = inpaint_tf.evaluate(sources, **options).summaries
    expected = scores.pop("small")
    assert {f"small, {name}" for name in FORMATS} <= scores.keys()
    for name in FORMATS:
        for metric, found in scores[f"small, {name}"].items():
            if expected[metric].mean is not None:
                assert found.mean == pytest.approx(expected[metric].mean, rel=1e-3), metric


def test_a_report_tells_files_of_several_precisions_apart(exports, tmp_path):
    """By their names in table and page, and by a line with format, precision and size."""
    shutil.copytree(exports / "onnx" / "1", tmp_path / "1")
    record = json.loads((tmp_path / "1" / EXPORT_FACTS).read_text())
    (tmp_path / "1" / EXPORT_FACTS).write_text(json.dumps({**record, "precision": "int8"}))
    options = {"dataset": "samples", "image_size": 32, "limit": 1, "baselines": False}
    found = inpaint_tf.evaluate([exports / "onnx", tmp_path], **options)
    size = (tmp_path / "1" / "model.onnx").stat().st_size
    for text in (render_table(found), render_page(found)):
        for folder, name, precision in (
            (exports / "onnx", "small, onnx", "float32"),
            (tmp_path, "small, onnx, int8", "int8"),
        ):
            assert name in text
            assert f"{folder}: onnx, {precision}, {size / 1e6:.2f} MB." in text


def test_the_newest_version_is_taken(exports, tmp_path):
    for number in (2, 10):
        shutil.copytree(exports / "onnx" / "1", tmp_path / str(number))
    assert ExportedVersion.find(tmp_path).folder == tmp_path / "10"
    assert ExportedVersion.find(tmp_path / "2").folder == tmp_path / "2"
    assert ModelSource.find(tmp_path / "2" / "model.onnx").kind == "export"


def test_a_file_without_its_record(exports, tmp_path):
    shutil.copy(exports / "onnx" / "1" / "model.onnx", tmp_path / "mine.onnx")
    exported = inpaint_tf.load(tmp_path / "mine.onnx")
    assert (exported.name, exported.mask_mode) == ("mine, onnx", None)
    image, mask = photograph()
    np.testing.assert_array_equal(
        exported.fill(image, mask), inpaint_tf.load(exports / "onnx").fill(image, mask)
    )


def test_detail_is_added_if_asked_for(network, exports):
    image, mask = photograph(96, 128)
    filled = inpaint_tf.load(exports / "onnx", detail=True).fill(image, mask)
    expected = inpaint_tf.load(network, detail=True).fill(image, mask)
    assert np.abs(filled.astype(int) - expected).max() <= 1


WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(tensorflow=None, keras=None)
from inpaint_tf.cli.main import cli
cli.main(sys.argv[1:], standalone_mode=False)
"""


@pytest.mark.parametrize("model", ["onnx", "telea"])
def test_neither_tensorflow_nor_keras_is_needed(exports, tmp_path, model):
    """By the command that a user types, with everything that it does around the model."""
    image, mask = photograph(96, 128)
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(255 * mask).save(tmp_path / "mask.png")
    source = exports / "onnx" if model == "onnx" else model
    options = ["--mask", tmp_path / "mask.png", "--model", source, "--detail", "--blend"]
    command = ["fill", tmp_path / "photo.png", *options, "--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    filled = np.asarray(Image.open(tmp_path / "out" / "photo.png"))
    expected = inpaint_tf.load(source, detail=True).fill(image, mask, blend=True)
    np.testing.assert_array_equal(filled, expected)


# Refusal.


def test_detail_is_not_added_twice(exports, tmp_path):
    shutil.copytree(exports / "onnx" / "1", tmp_path / "1")
    record = json.loads((tmp_path / "1" / EXPORT_FACTS).read_text())
    (tmp_path / "1" / EXPORT_FACTS).write_text(json.dumps({**record, "detail": True}))
    exported = inpaint_tf.load(tmp_path)
    with pytest.raises(UserError, match="'small, onnx' adds detail itself; leave out `detail`"):
        exported.fill(*photograph(), detail=True)


@pytest.mark.parametrize(
    "record",
    [
        "[",
        "[1]",
        "{}",
        '{"format": "tflite"}',
        '{"format": "onnx", "mask": 5}',
        '{"format": "onnx", "mask": {"nme": "hole"}}',
        '{"format": "onnx", "mask": {"name": "whole"}}',
    ],
)
def test_a_damaged_record(exports, tmp_path, record):
    shutil.copytree(exports / "onnx" / "1", tmp_path / "1")
    (tmp_path / "1" / EXPORT_FACTS).write_text(record)
    with pytest.raises(UserError, match="export.json' is damaged .*: export the model again"):
        inpaint_tf.load(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite", "saved_model.pb"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_a_damaged_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="is damaged, or no model of format") as refused:
        inpaint_tf.load(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_photograph_that_takes_too_much_memory(exports):
    exported = inpaint_tf.load(exports / "onnx", memory=10**6)
    with pytest.raises(UserError, match="takes 0.0 GB for 320x240 .*, or raise `memory`"):
        exported.fill(*photograph(240, 320))


def test_another_model(exports):
    """A file may hold any model, whatever its name is."""
    image, mask = photograph()
    inpainter = ExportedInpainter("other", lambda images, masks: {"logits": masks})
    with pytest.raises(UserError, match="Model 'other' gives no photographs of 61x45 pixels"):
        inpainter.fill(image, mask)


def test_no_network_for_other_commands(exports, tmp_path):
    with pytest.raises(UserError, match="is an exported model, which can be filled with and eval"):
        inpaint_tf.finetune(exports / "onnx", dataset="samples", run_dir=tmp_path / "run")
    with pytest.raises(UserError, match="is an exported model; leave out `coarse_at`"):
        inpaint_tf.load(exports / "onnx", coarse_at=256)
    with pytest.raises(UserError, match="is no network, and there is nothing to export"):
        inpaint_tf.export(exports / "onnx", tmp_path / "out")
