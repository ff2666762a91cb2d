"""CompatConv2D."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import random, run_layer_test

from inpaint_tf.layers import CompatConv2D


@pytest.mark.parametrize("compat", ["keras", "torch", "tf1"])
@pytest.mark.parametrize(
    ("strides", "dilation_rate", "shape"),
    [(1, 1, (2, 8, 6, 4)), (2, 1, (2, 4, 3, 4)), (1, 2, (2, 8, 6, 4))],
)
def test_harness(compat, strides, dilation_rate, shape):
    def make(**kwargs):
        return CompatConv2D(
            4, 3, compat, strides=strides, dilation_rate=dilation_rate, activation="elu", **kwargs
        )

    run_layer_test(make, (random(2, 8, 6, 3),), shape, weights=3 * 3 * 3 * 4 + 4)


def convolve_by_hand(inputs, kernel, stride, before, after):
    """Zero-pad, then multiply window by window."""
    size = kernel.shape[0]
    padded = np.pad(inputs.astype("float64"), ((0, 0), (before, after), (before, after), (0, 0)))
    counts = [(side - size) // stride + 1 for side in padded.shape[1:3]]
    outputs = np.zeros((len(inputs), *counts, kernel.shape[-1]))
    for y in range(counts[0]):
        for x in range(counts[1]):
            window = padded[:, y * stride : y * stride + size, x * stride : x * stride + size]
            outputs[:, y, x] = np.tensordot(window, kernel, axes=3)
    return outputs


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("size", [(8, 6), (7, 8)])
def test_torch_pads_both_sides_alike(kernel_size, size):
    inputs = random(2, *size, 3)
    conv = CompatConv2D(4, kernel_size, "torch", strides=2)
    outputs = conv(inputs)
    pad = (kernel_size - 1) // 2
    expected = convolve_by_hand(inputs, np.asarray(conv.kernel.value), 2, pad, pad)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("compat", ["keras", "tf1"])
@pytest.mark.parametrize(("kernel_size", "before", "after"), [(3, 0, 1), (5, 1, 2)])
def test_keras_pads_less_before_than_after_on_even_sizes(compat, kernel_size, before, after):
    inputs = random(2, 8, 6, 3)
    conv = CompatConv2D(4, kernel_size, compat, strides=2)
    outputs = conv(inputs)
    expected = convolve_by_hand(inputs, np.asarray(conv.kernel.value), 2, before, after)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"dilation_rate": 2}])
def test_dialects_agree_at_stride_1(options):
    inputs = random(2, 8, 6, 3)
    convs = [CompatConv2D(4, 3, compat, **options) for compat in ("keras", "torch", "tf1")]
    outputs = [conv(inputs) for conv in convs]
    for conv in convs[1:]:
        conv.set_weights(convs[0].get_weights())
        np.testing.assert_allclose(conv(inputs), outputs[0], atol=1e-6)


@pytest.mark.parametrize("dilation_rate", [2, 4, 16])
def test_dilated_equals_a_kernel_with_zeros(dilation_rate):
    # In training and at inference it is computed in two ways: 16 reaches beyond the picture.
    inputs = tf.constant(random(2, 9, 12, 3))
    conv = CompatConv2D(4, 3, dilation_rate=dilation_rate)
    conv.build(inputs.shape)

    def with_zeros(inputs):
        side = 2 * dilation_rate + 1
        kernel = conv.kernel.value
        gaps = [(0, 0), (0, dilation_rate - 1)]
        spread = tf.pad(kernel[:, None, :, None], [*gaps, *gaps, (0, 0), (0, 0)])
        spread = tf.reshape(spread, (3 * dilation_rate, 3 * dilation_rate, 3, 4))
        return tf.nn.conv2d(inputs, spread[:side, :side], 1, "SAME") + conv.bias.value

    found, expected = [], []
    for results, compute in ((found, lambda x: conv(x, training=True)), (expected, with_zeros)):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = compute(inputs)
            loss = tf.reduce_sum(outputs**2)
        results += [outputs, *tape.gradient(loss, [inputs, conv.kernel.value])]
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-4)
    np.testing.assert_allclose(conv(inputs, training=False), expected[0], atol=1e-4)


def test_bfloat16_keeps_weak_signals():
    # TensorFlow's ELU takes exp(x) - 1 in bfloat16, which is coarser than a small x.
    inputs = 0.01 * random(1, 8, 8, 16)
    exact = CompatConv2D(8, 3, activation="elu")
    rounded = CompatConv2D(8, 3, activation="elu", dtype="mixed_bfloat16")
    expected = exact(inputs)
    rounded(inputs)
    rounded.set_weights(exact.get_weights())
    error = np.asarray(rounded(inputs, training=True), "float32") - expected
    assert np.std(error) < 0.01 * np.std(expected)


def test_strided_and_dilated_is_refused():
    with pytest.raises(ValueError, match="strides=\\(2, 2\\) and dilation_rate=\\(4, 4\\)"):
        CompatConv2D(4, 3, strides=2, dilation_rate=4)


def test_is_a_keras_convolution_but_for_padding():
    assert issubclass(CompatConv2D, keras.layers.Conv2D)
    with pytest.raises(TypeError, match="padding"):
        CompatConv2D(4, 3, padding="valid")


def test_unknown_compat():
    with pytest.raises(ValueError, match="compat='troch'.*Did you mean 'torch'"):
        CompatConv2D(4, 3, "troch")
