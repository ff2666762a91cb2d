"""A network that was trained in bfloat16 is not held to it where that is emulated."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.models import create, precision
from inpaint_tf.models.precision import for_this_machine, with_policy


def machine(monkeypatch, multiplies_bfloat16):
    monkeypatch.setattr(precision, "emulates_bfloat16", lambda: not multiplies_bfloat16)


@pytest.mark.parametrize("made", ["float32", "mixed_bfloat16"])
def test_weights_stay_and_outputs_are_close(made):
    other = {"float32": "mixed_bfloat16", "mixed_bfloat16": "float32"}[made]
    model = create("ca", width=4, dtype=made)
    converted = with_policy(model, other)
    assert converted.dtype_policy.name == other
    for before, after in zip(model.get_weights(), converted.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    mask = np.zeros((1, 32, 32, 1), "float32")
    mask[:, 8:24, 8:24] = 1
    outputs = [np.asarray(each((image, mask))["refined"]) for each in (model, converted)]
    np.testing.assert_allclose(*outputs, atol=0.05)


def test_float32_where_bfloat16_is_emulated(monkeypatch):
    machine(monkeypatch, multiplies_bfloat16=False)
    model = create("ca", width=4, dtype="mixed_bfloat16")
    assert for_this_machine(model).dtype_policy.name == "float32"


@pytest.mark.parametrize("made", ["float32", "mixed_bfloat16"])
def test_itself_where_the_processor_multiplies_bfloat16(monkeypatch, made):
    machine(monkeypatch, multiplies_bfloat16=True)
    model = create("ca", width=4, dtype=made)
    assert for_this_machine(model) is model


def test_float32_stays_itself_anywhere(monkeypatch):
    machine(monkeypatch, multiplies_bfloat16=False)
    model = create("ca", width=4, dtype="float32")
    assert for_this_machine(model) is model
