"""A widened network paints the same pictures, and learns with all of its channels."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from inpaint_tf.models import ContextualAttentionModel
from inpaint_tf.models.widening import widen


def inputs(seed=0, size=64):
    rng = np.random.default_rng(seed)
    mask = np.zeros((2, size, size, 1), np.float32)
    mask[:, 16:40, 8:32] = 1
    return rng.uniform(-1, 1, (2, size, size, 3)).astype(np.float32) * (1 - mask), mask


def trained(width, compat="keras"):
    """Return a network whose biases are not the zeros that they begin with."""
    keras.utils.set_random_seed(0)
    model = ContextualAttentionModel(width, compat)
    rng = np.random.default_rng(1)
    model.set_weights(
        [w + 0.05 * rng.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
    )
    return model


def widened(narrow, factor, seed=0):
    wide = ContextualAttentionModel(factor * narrow.width, narrow.compat)
    widen(narrow, wide, seed)
    return wide


# ------------------------------------------------------------------------------------------- parity


# The dialect "torch" adds a constant to norms for every channel: a little is lost.
@pytest.mark.parametrize(
    ("factor", "compat", "tolerance"), [(2, "keras", 1e-5), (3, "tf1", 1e-5), (2, "torch", 1e-2)]
)
def test_paints_the_same_pictures(factor, compat, tolerance):
    narrow = trained(4, compat)
    theirs = narrow(inputs(), return_attention=True)
    ours = widened(narrow, factor)(inputs(), return_attention=True)
    assert np.ptp(theirs["refined"]) > 0.05
    np.testing.assert_allclose(ours["coarse"], theirs["coarse"], atol=1e-5)
    np.testing.assert_allclose(ours["refined"], theirs["refined"], atol=tolerance)
    np.testing.assert_array_equal(ours["offsets"], theirs["offsets"])


def test_channels_that_are_alike_learn_differently():
    wide = widened(trained(4), 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(wide(inputs(), training=True)["refined"] - 0.5))
    for variable, gradient in zip(
        wide.trainable_variables,
        tape.gradient(loss, [v.value for v in wide.trainable_variables]),
        strict=True,
    ):
        if variable.shape[-1] == 3:
            continue
        twins = np.asarray(gradient).reshape(-1, variable.shape[-1] // 2, 2)
        different = np.abs(twins[..., 0] - twins[..., 1]).mean()
        assert different > 0.05 * np.abs(twins).mean(), variable.path


# -------------------------------------------------------------------------------------- determinism


def test_the_seed_decides():
    narrow = trained(4)
    first, again, other = (widened(narrow, 2, seed).get_weights() for seed in (0, 0, 1))
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert any((one != another).any() for one, another in zip(first, other, strict=True))


# ------------------------------------------------------------------------------------------ refusal


@pytest.mark.parametrize("width", [4, 6, 2])
def test_other_widths(width):
    with pytest.raises(ValueError, match=f"Received: {width} and 4"):
        widen(ContextualAttentionModel(4), ContextualAttentionModel(width), 0)
