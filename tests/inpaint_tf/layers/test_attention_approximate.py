"""Approximations: exact where nothing is left out, finite, never from holes; refused names."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from layer_harness import random, run_layer_test

from inpaint_tf.layers import ContextualAttention, _attention_approximate
from inpaint_tf.layers.contextual_attention import APPROXIMATIONS

NAMES = tuple(APPROXIMATIONS)
# `compat` is about what comes before an approximation: each of both is seen with one of the other.
PAIRS = {("stride", "torch"), ("random", "tf1"), ("cluster", "keras"), ("hierarchical", "tf1")}
INSIDE = (slice(None), slice(8, -8), slice(8, -8))  # where no wide patch reaches the border


def smooth(size, channels=16, seed=0):
    coarse = random(1, size // 8, size // 8, channels, seed=seed)
    fine = random(1, size, size, channels, seed=seed + 1)
    return tf.image.resize(coarse, (size, size)).numpy() + 0.05 * fine


def hole(size):
    mask = np.zeros((1, size, size, 1), "float32")
    mask[:, 20:36, 24:40] = 1
    return mask


@pytest.mark.parametrize(
    ("name", "compat"),
    [
        pytest.param(name, compat, marks=() if (name, compat) in PAIRS else pytest.mark.full)
        for name in NAMES
        for compat in ("keras", "torch", "tf1")
    ],
)
def test_harness(name, compat):
    def make(**kwargs):
        return ContextualAttention(compat=compat, approximation=name, reduction=2, **kwargs)

    mask = np.zeros((2, 24, 20, 1), "float32")
    mask[:, 4:8, 8:12] = 1
    inputs = (random(2, 8, 6, 4), random(2, 12, 10, 4, seed=1), mask)
    run_layer_test(make, inputs, (2, 8, 6, 4), weights=0)


def test_all_patches_by_chance_are_all_patches(monkeypatch):
    class All(_attention_approximate.Sampled):
        def _drawn(self):
            return tf.range(tf.size(self.usable))

    monkeypatch.setitem(_attention_approximate.LISTS, "random", All)
    maps, mask = smooth(48), hole(48)
    outputs = ContextualAttention(approximation="random")(maps, maps, mask)
    expected = ContextualAttention()(maps, maps, mask)
    np.testing.assert_allclose(outputs[INSIDE], expected[INSIDE], atol=1e-4)


def test_a_search_of_all_regions_finds_all(monkeypatch):
    monkeypatch.setattr(_attention_approximate, "SEARCHED", 1000)
    maps, mask = smooth(48), hole(48)
    outputs = ContextualAttention(approximation="hierarchical", reduction=5)(maps, maps, mask)
    expected = ContextualAttention()(maps, maps, mask)
    np.testing.assert_allclose(outputs[INSIDE], expected[INSIDE], atol=1e-4)


def test_a_stride_is_a_larger_rate():
    maps = smooth(48)
    outputs, offsets = ContextualAttention(approximation="stride")(
        maps, maps, return_attention=True
    )
    expected, coarse = ContextualAttention(rate=4)(maps, maps, return_attention=True)
    np.testing.assert_array_equal(outputs, expected)
    np.testing.assert_array_equal(offsets[:, ::2, ::2], 2 * coarse)
    np.testing.assert_array_equal(offsets[:, 1::2, 1::2], 2 * coarse)


def test_alike_patches_are_one_cluster():
    # Two flat halves: every patch away from the edge between them is one of two.
    maps = np.zeros((1, 64, 64, 4), "float32")
    maps[:, :, :32, 0] = maps[:, :, 32:, 1] = 1
    outputs = ContextualAttention(approximation="cluster")(maps, maps)
    expected = ContextualAttention()(maps, maps)
    for columns in (slice(8, 24), slice(40, 56)):
        np.testing.assert_allclose(outputs[:, 8:-8, columns], expected[:, 8:-8, columns], atol=2e-2)


@pytest.mark.parametrize("name", NAMES)
def test_near_the_exact_on_smooth_maps(name):
    maps, mask = smooth(64), hole(64)
    expected = ContextualAttention()(maps, maps, mask)
    outputs = ContextualAttention(approximation=name)(maps, maps, mask)
    error = np.abs(outputs - expected)[INSIDE].mean() / np.abs(expected[INSIDE]).mean()
    assert 0 < error < 1


@pytest.mark.parametrize("name", NAMES)
def test_nothing_comes_from_a_hole(name):
    maps, mask = smooth(64), hole(64)
    spoiled = maps + 100 * mask
    layer = ContextualAttention(approximation=name)
    # What lies in the hole is looked for, but not looked at.
    outputs, offsets = layer(maps, spoiled, mask, return_attention=True)
    assert np.abs(outputs).max() < 10
    chosen = np.asarray(offsets[0]) + np.stack(np.indices((32, 32)), -1)
    assert not mask[0, ::2, ::2, 0][chosen[..., 0], chosen[..., 1]].any() or name == "cluster"


@pytest.mark.parametrize("name", NAMES)
def test_everything_masked_gives_zeros(name):
    maps = tf.constant(random(2, 16, 16, 4))
    layer = ContextualAttention(approximation=name)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs = layer(maps, maps, np.ones((2, 16, 16, 1)))
    assert not np.any(outputs)
    assert np.isfinite(tape.gradient(outputs, maps)).all()


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_needed(name):
    maps, mask = smooth(64), hole(64)
    layer = ContextualAttention(approximation=name, formulation="streamed", memory=2**20)
    needed = np.zeros_like(mask)
    needed[:, 22:30, 26:30] = 1
    pruned = layer(maps, maps, mask, needed=needed)
    np.testing.assert_allclose(pruned * needed, layer(maps, maps, mask) * needed, atol=1e-5)


def test_always_the_same():
    maps = smooth(48)
    outputs = [ContextualAttention(approximation="random")(maps, maps) for _ in range(2)]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"approximation": "clusters"}, "'clusters'. Did you mean 'cluster'"),
        ({"approximation": "stride", "reduction": 1}, "reduction=1"),
        ({"approximation": "stride", "reduction": 0}, "reduction=0"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        ContextualAttention(**options)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_unknown_to_the_graph(name):
    layer = ContextualAttention(approximation=name)
    maps, masks = tf.TensorSpec((None, None, None, 4)), tf.TensorSpec((None, None, None, 1))
    attend = tf.function(
        lambda maps, mask: layer(maps, maps, mask, return_attention=True),
        input_signature=(maps, masks),
    )
    for size in (24, 34):
        call = (random(1, size, 20, 4), np.zeros((1, size, 20, 1), "float32"))
        outputs, offsets = attend(*call)
        expected, expected_offsets = layer(call[0], *call, return_attention=True)
        np.testing.assert_allclose(outputs, expected, atol=1e-5)
        np.testing.assert_array_equal(offsets, expected_offsets)
