"""Attention in NumPy is that of the layer, wherever the hole lies."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.inference.attention import attend, least_memory
from inpaint_tf.layers import ContextualAttention

# Top, left, bottom, right, in features; orders of cells wrap around at the borders.
HOLES = [(4, 8, 10, 16), (0, 0, 6, 8), (8, 14, 16, 24), (0, 6, 16, 12), (0, 0, 16, 24)]


@pytest.mark.parametrize("memory", [10**9, 1], ids=["at once", "cell by cell"])
@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("compat", ["keras", "torch", "tf1"])
def test_equals_the_layer(compat, hole, memory):
    top, left, bottom, right = hole
    features = np.random.default_rng(0).normal(0, 0.5, (16, 24, 8)).astype("float32")
    mask = np.zeros((64, 96, 1), "float32")
    mask[4 * top : 4 * bottom, 4 * left : 4 * right] = 1
    needed = np.zeros((16, 24), bool)
    needed[max(top - 3, 0) : bottom + 3, max(left - 3, 0) : right + 3] = True
    layer = ContextualAttention(compat=compat, formulation="reference")
    inputs = [each[None] for each in (features, features, mask)]
    expected, offsets = (each[0].numpy() for each in layer(*inputs, return_attention=True))
    attended, found = attend(features, mask, needed, memory, compat)
    np.testing.assert_allclose(attended[needed], expected[needed], atol=1e-5)
    cells = needed[::2, ::2]
    np.testing.assert_array_equal(found[cells], offsets[cells])


def test_nothing_needed_is_nothing_done():
    features = np.ones((8, 8, 4), "float32")
    attended, offsets = attend(features, np.zeros((8, 8, 1)), np.zeros((8, 8), bool), 1, "keras")
    assert not attended.any() and not offsets.any()


def test_memory_grows_with_the_picture():
    assert least_memory(64, 64) == 4 * least_memory(32, 32)
