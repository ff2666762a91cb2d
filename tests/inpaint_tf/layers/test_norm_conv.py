"""NormConv2D."""

from __future__ import annotations

import numpy as np
import pytest
from layer_harness import random, run_layer_test

from inpaint_tf.layers import CompatConv2D, NormConv2D

COMPAT = ("keras", "torch", "tf1")


@pytest.mark.parametrize("compat", COMPAT)
@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"kernel_size": 3}, (6, 4)),
        ({"kernel_size": 3, "dilation_rate": 2}, (6, 4)),
        ({"kernel_size": 5, "strides": 2}, (3, 2)),
        ({"kernel_size": 4, "strides": 2, "activation": "leaky_relu"}, (3, 2)),
        ({"kernel_size": 4, "strides": 2, "transposed": True}, (12, 8)),
    ],
)
def test_harness(compat, options, size):
    def make(**kwargs):
        return NormConv2D(5, compat=compat, **options, **kwargs)

    weights = options["kernel_size"] ** 2 * 3 * 5 + 5 + 2 * 5
    run_layer_test(make, (random(2, 6, 4, 3),), (2, *size, 5), weights, non_trainable=2 * 5)


def test_training_normalises_by_the_batch():
    layer = NormConv2D(4, 3, activation=None)
    inputs = random(3, 8, 8, 2)
    outputs = np.asarray(layer(inputs, training=True))
    np.testing.assert_allclose(outputs.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.std((0, 1, 2)), 1, atol=1e-3)


def test_inference_normalises_by_moving_averages():
    layer = NormConv2D(4, 3)
    inputs = random(3, 8, 8, 2)
    plain = CompatConv2D(4, 3)
    plain.build(inputs.shape)
    layer.build(inputs.shape)
    plain.set_weights(layer.conv.get_weights())
    gamma, beta, mean = random(4, seed=1), random(4, seed=2), random(4, seed=3)
    variance = random(4, seed=4) ** 2 + 0.1
    layer.norm.set_weights([gamma, beta, mean, variance])
    expected = (np.asarray(plain(inputs)) - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    np.testing.assert_allclose(layer(inputs), np.maximum(expected, 0), atol=1e-5)


def test_only_training_updates_the_moving_averages():
    layer = NormConv2D(4, 3)
    inputs = random(3, 8, 8, 2)
    layer(inputs)
    layer(inputs, training=False)
    np.testing.assert_array_equal(layer.norm.moving_mean, np.zeros(4))
    np.testing.assert_array_equal(layer.norm.moving_variance, np.ones(4))
    features = np.asarray(layer.conv(inputs), "float64")
    layer(inputs, training=True)
    mean, variance = features.mean((0, 1, 2)), features.var((0, 1, 2))
    np.testing.assert_allclose(layer.norm.moving_mean, 0.1 * mean, atol=1e-6)
    np.testing.assert_allclose(layer.norm.moving_variance, 0.9 + 0.1 * variance, atol=1e-5)


def test_dialects_differ_where_odd_windows_stride():
    inputs = random(2, 8, 8, 3)
    for kernel_size, differ in ((3, True), (4, False)):
        layers = [NormConv2D(4, kernel_size, compat, strides=2) for compat in COMPAT]
        keras, torch, tf1 = (np.asarray(same_weights(layers[0], x, inputs)) for x in layers)
        np.testing.assert_array_equal(keras, tf1)
        assert (np.abs(keras - torch).max() > 1e-3) == differ


def same_weights(source, layer, inputs):
    source(inputs)
    layer(inputs)
    layer.set_weights(source.get_weights())
    return layer(inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "`filters`.*filters=0"),
        ({"kernel_size": (3, 3)}, r"`kernel_size`.*kernel_size=\(3, 3\)"),
        ({"strides": 0}, "`strides`.*strides=0"),
        ({"dilation_rate": -1}, "`dilation_rate`.*dilation_rate=-1"),
        ({"compat": "pytorch"}, "`compat`.*'pytorch'.*Did you mean 'torch'"),
    ],
)
def test_bad_option(options, message):
    with pytest.raises(ValueError, match=message):
        NormConv2D(**{"filters": 2, "kernel_size": 3, **options})
