"""UpsampleConv2D."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import random, run_layer_test

from inpaint_tf.layers import UpsampleConv2D


@pytest.mark.parametrize("activation", [None, "elu"])
def test_harness(activation):
    def make(**kwargs):
        return UpsampleConv2D(5, activation, **kwargs)

    run_layer_test(make, (random(2, 4, 3, 6),), (2, 8, 6, 5), weights=3 * 3 * 6 * 5 + 5)


def values_and_gradients(model, variables, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = model(inputs)
        loss = tf.reduce_sum(tf.sin(outputs))
    return [outputs, *tape.gradient(loss, [inputs, *(v.value for v in variables)])]


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 3)])
def test_equals_doubling_and_convolution(size):
    inputs = tf.constant(random(2, *size, 4))
    ours = UpsampleConv2D(3, "elu")
    double = keras.layers.UpSampling2D(interpolation="nearest")
    conv = keras.layers.Conv2D(3, 3, padding="same", activation="elu")
    ours(inputs), conv(double(inputs))
    weights = [random(3, 3, 4, 3, seed=1), random(3, seed=2)]
    ours.set_weights(weights)
    conv.set_weights(weights)
    actual = values_and_gradients(ours, ours.weights, inputs)
    expected = values_and_gradients(lambda x: conv(double(x)), conv.weights, inputs)
    for left, right in zip(actual, expected, strict=True):
        np.testing.assert_allclose(left, right, atol=2e-5)


def test_by_hand():
    # One pixel of 1 becomes four; each sees the taps of the 3x3 kernel that fall on the four.
    layer = UpsampleConv2D(1)
    layer.build((None, 1, 1, 1))
    layer.kernel.assign(np.arange(1, 10, dtype="float32").reshape(3, 3, 1, 1))
    layer.bias.assign([100])
    outputs = np.asarray(layer(np.ones((1, 1, 1, 1), "float32")))[0, ..., 0]
    assert outputs.tolist() == [
        [100 + 5 + 6 + 8 + 9, 100 + 4 + 5 + 7 + 8],
        [100 + 2 + 3 + 5 + 6, 100 + 1 + 2 + 4 + 5],
    ]


@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_bfloat16_is_near_float32(scale):
    inputs = scale * random(1, 8, 8, 16)
    exact, rounded = UpsampleConv2D(8, "elu"), UpsampleConv2D(8, "elu", dtype="mixed_bfloat16")
    expected = exact(inputs)
    rounded(inputs)
    rounded.set_weights(exact.get_weights())
    error = np.asarray(rounded(inputs), "float32") - expected
    assert np.std(error) < 0.01 * np.std(expected)


@pytest.mark.parametrize("filters", [0, -1, 2.5, True])
def test_bad_filters(filters):
    with pytest.raises(ValueError, match=f"`filters`.*filters={filters}"):
        UpsampleConv2D(filters)


def test_not_a_picture():
    with pytest.raises(ValueError, match="ndim=4"):
        UpsampleConv2D(3)(random(2, 4, 4))
