"""ChannelwiseDense."""

from __future__ import annotations

import numpy as np
import pytest
from layer_harness import random, run_layer_test

from inpaint_tf.layers import ChannelwiseDense


@pytest.mark.parametrize(("height", "width", "channels"), [(4, 4, 3), (3, 5, 2), (1, 1, 4)])
def test_harness(height, width, channels):
    pixels = height * width
    inputs = random(2, height, width, channels)
    weights = channels * (pixels**2 + pixels)
    run_layer_test(ChannelwiseDense, (inputs,), inputs.shape, weights=weights)


def test_equals_one_matrix_a_channel():
    inputs = random(2, 3, 4, 5)
    layer = ChannelwiseDense()
    layer(inputs)
    kernel, bias = random(5, 12, 12, seed=1), random(12, 5, seed=2)
    layer.set_weights([kernel, bias])
    outputs = np.asarray(layer(inputs))
    for sample, output in zip(inputs, outputs, strict=True):
        for channel in range(5):
            line = sample[..., channel].astype("float64").reshape(12)
            expected = line @ kernel[channel].astype("float64") + bias[:, channel]
            np.testing.assert_allclose(output[..., channel].reshape(12), expected, atol=1e-5)


def test_channels_do_not_see_each_other_but_all_pixels_do():
    layer = ChannelwiseDense()
    inputs = random(1, 4, 4, 3)
    before = np.asarray(layer(inputs))
    inputs[0, 1, 2, 1] += 1
    changed = np.asarray(layer(inputs)) != before
    assert changed[..., 1].all()
    assert not changed[..., [0, 2]].any()


def test_keeps_the_variance():
    # Glorot's scale of a single matrix, however many channels there are.
    inputs = random(4, 8, 8, 64)
    assert np.std(ChannelwiseDense()(inputs)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shape", [(None, None, 4, 3), (None, 4, 4, None), (None, 16, 3)])
def test_refuses_unknown_sizes(shape):
    with pytest.raises(ValueError, match="known height, width and channels"):
        ChannelwiseDense().build(shape)


def test_refuses_another_size():
    layer = ChannelwiseDense()
    layer(random(1, 4, 4, 3))
    with pytest.raises(ValueError, match=r"axis 2.*value 4"):
        layer(random(1, 4, 8, 3))
