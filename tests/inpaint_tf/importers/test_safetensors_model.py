"""Networks in `.safetensors` files come back as they were, and nothing else is made of a file."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import inpaint_tf
from inpaint_tf.importers.safetensors_model import load_safetensors, write_safetensors
from inpaint_tf.models import create
from inpaint_tf.models.registry import MODELS
from neuralgym_lite.errors import UserError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "small.safetensors"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("options", [{}, {"mask_mode": "mosaic", "dtype": "mixed_bfloat16"}])
def test_networks_come_back_byte_for_byte(file, name, options):
    model = create(name, width=2, **options)
    write_safetensors(model, file)
    loaded = load_safetensors(file)
    assert type(loaded) is type(model) and loaded.get_config() == model.get_config()
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert before.dtype == after.dtype and before.tobytes() == after.tobytes()
    again = file.with_name("again.safetensors")
    write_safetensors(loaded, again)
    assert again.read_bytes() == file.read_bytes()


def test_the_header_says_what_it_is(file):
    write_safetensors(create("ca", width=2, mask_mode="mosaic"), file)
    with safe_open(file, framework="np") as opened:
        facts = json.loads(opened.metadata()["inpaint_tf"])
        names = set(opened.keys())
    assert (facts["model"], facts["mask"], facts["config"]["width"]) == ("ca", "mosaic", 2)
    assert {"coarse/conv1/kernel", "refinement/allconv17/bias"} <= names


def test_a_file_is_a_model_like_any_other(file):
    model = create("ca", width=2)
    model.save(file.with_suffix(".keras"))
    write_safetensors(model, file)
    image = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    mask = np.zeros((40, 48), np.uint8)
    mask[10:30, 12:32] = 1
    loaded = inpaint_tf.load(file)
    expected = inpaint_tf.load(file.with_suffix(".keras")).fill(image, mask)
    np.testing.assert_array_equal(loaded.fill(image, mask), expected)
    assert loaded.name == "small" and len(loaded.provenance()["sha256"]) == 64
    scores = inpaint_tf.evaluate(file, dataset="samples", image_size=32, limit=1, baselines=False)
    assert "small" in scores.summaries


def test_a_file_of_the_pytorch_port(file):
    """It is known by the names of its weights, as `inpaint-tf import` knows it."""
    model = create("ca", width=2, compat="torch")
    arrays = {}
    for stage, network in (("coarse", model.coarse), ("fine", model.refinement)):
        for variable in network.weights:
            layer, kind = variable.path.split("/")[-2:]
            array = np.asarray(variable)
            kernel = kind == "kernel"
            name = f"{stage}_generator.{layer}.conv.{'weight' if kernel else 'bias'}"
            arrays[name] = np.ascontiguousarray(array.transpose(3, 2, 0, 1) if kernel else array)
    save_file(arrays, file)
    loaded = load_safetensors(file)
    assert loaded.mask_mode.name == "hole"
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


# Refusal.


def changed(file, change_arrays=None, **facts):
    """Write a network, and then the file again with other arrays or facts."""
    write_safetensors(create("autoencoder", width=2), file)
    arrays = load_file(file)
    with safe_open(file, framework="np") as opened:
        known = json.loads(opened.metadata()["inpaint_tf"])
    if change_arrays:
        change_arrays(arrays)
    known["config"] |= facts.pop("config", {})
    save_file(arrays, file, {"inpaint_tf": json.dumps({**known, **facts})})


def refusal(file):
    with pytest.raises(UserError, match=f"^'{file}'") as refused:
        load_safetensors(file)
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"registered_name": "keras>Dense", "class_name": "Dense"}, "holds a 'Dense', not an inp"),
        ({"registered_name": None}, "holds a 'Autoencoder', not an inpainting model"),
        ({"config": {"width": 8000}}, "bytes of weights, and its network takes"),
        ({"config": {"width": 10**9}}, "which is not in 1 to 8192"),
        ({"config": {"width": "2"}}, "width is '2', expected int"),
        ({"config": {"width": 3}}, "has shape|takes"),
        ({"config": {"evil": 1}}, "the unknown setting 'evil'"),
        ({"config": {"mask_mode": "whole"}}, "wrong mask mode"),
        ({"config": {"dtype": "int8"}}, "unknown precision"),
        ({"config": {"compat": "other"}}, "is damaged: "),
        ({"config": {"name": "a\nb"}}, "the odd name"),
        ({"config": {"layer": {"class_name": "Lambda"}}}, "a Lambda layer"),
    ],
    ids=str,
)
def test_settings_that_are_not_ours(file, facts, words):
    changed(file, **facts)
    assert any(each in refusal(file) for each in words.split("|"))


@pytest.mark.parametrize("facts", ["", "{", "[]", "1", "null", "[" * 5000, " " * 70_000])
def test_facts_that_are_none(file, facts):
    save_file({"w": np.zeros(2, "f4")}, file, {"inpaint_tf": facts})
    refusal(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.pop("picture/bias"), "'picture/bias' is missing"),
        (lambda arrays: arrays.update(more=np.zeros(2)), "'more' is left over"),
        (lambda arrays: arrays["picture/bias"].fill(np.nan), "not all finite numbers: 'picture/b"),
        (lambda arrays: arrays["picture/bias"].fill(np.inf), "not all finite numbers: 'picture/b"),
        (lambda arrays: arrays.update({"picture/bias": np.zeros(9, "f4")}), "has shape (9,)"),
    ],
)
def test_weights_of_another_network(file, change, words):
    changed(file, change)
    assert words in refusal(file)


@pytest.mark.parametrize("data", [b"", b"\xff" * 9, struct.pack("<Q", 2) + b"[]"])
def test_a_damaged_file(file, data):
    file.write_bytes(data)
    refusal(file)


def test_weights_of_no_network(file):
    save_file({"w": np.zeros(2, "f4")}, file)
    assert "of no generator known here" in refusal(file)
