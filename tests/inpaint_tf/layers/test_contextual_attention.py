"""ContextualAttention: two formulations and a plain oracle agree; and it survives the extremes."""

from __future__ import annotations

import attention_oracle as oracle
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layer_harness import random, run_layer_test

from inpaint_tf.layers import ContextualAttention
from inpaint_tf.layers import _attention_streamed as streamed
from inpaint_tf.layers import contextual_attention as module
from inpaint_tf.layers._attention_streamed import attend, least_memory

FORMULATIONS = ("gram", "reference", "streamed")
COMPAT = ("keras", "torch", "tf1")
QUICK = settings(
    max_examples=16,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)

sizes = st.tuples(st.integers(3, 7), st.integers(3, 7))
options = st.fixed_dictionaries(
    {
        "patch_size": st.sampled_from([1, 3, 5]),
        "rate": st.sampled_from([1, 2, 3]),
        "fuse_size": st.sampled_from([1, 3, 5]),
        "softmax_scale": st.sampled_from([1.0, 10.0]),
        "compat": st.sampled_from(COMPAT),
    }
)


@st.composite
def calls(draw):
    """Draw maps of two sizes and a mask for each sample, in this shape or a multiple, or none."""
    batch, channels = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    front, back = draw(sizes), draw(sizes)
    seed = draw(st.integers(0, 2**16))
    foreground = random(batch, *front, channels, seed=seed, scale=0.5)
    background = random(batch, *back, channels, seed=seed + 1, scale=0.5)
    multiple = draw(st.sampled_from([None, 1, 2, 4, 8]))
    mask = None
    if multiple:
        mask = np.zeros((batch, back[0] * multiple, back[1] * multiple, 1), "float32")
        for sample in mask:
            top, left = draw(st.integers(0, 5)), draw(st.integers(0, 5))
            height, width = draw(st.integers(0, 4)), draw(st.integers(0, 4))
            rows = slice(top * multiple, (top + height) * multiple)
            sample[rows, left * multiple : (left + width) * multiple] = 1
    return foreground, background, mask


def box(batch, size, top, left, height, width):
    mask = np.zeros((batch, *size, 1), "float32")
    mask[:, top : top + height, left : left + width] = 1
    return mask


# The contract of all layers.


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("compat", COMPAT)
def test_harness(formulation, compat):
    def make(**kwargs):
        return ContextualAttention(compat=compat, formulation=formulation, **kwargs)

    inputs = (random(2, 8, 6, 4), random(2, 12, 10, 4, seed=1), box(2, (24, 20), 4, 8, 8, 8))
    run_layer_test(make, inputs, (2, 8, 6, 4), weights=0)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_offsets_have_the_size_of_the_small_foreground(formulation, dtype):
    layer = ContextualAttention(rate=3, formulation=formulation, dtype=dtype)
    maps = (random(2, 8, 7, 4), random(2, 10, 4, 4, seed=1))
    eager = layer(*maps, return_attention=True)
    symbols = [keras.KerasTensor((None, *x.shape[1:])) for x in maps]
    symbolic = layer(*symbols, return_attention=True)
    assert [tuple(x.shape) for x in eager] == [(2, 8, 7, 4), (2, 3, 3, 2)]
    assert [tuple(x.shape) for x in symbolic] == [(None, 8, 7, 4), (None, 3, 3, 2)]
    dtypes = [dtype.removeprefix("mixed_"), "int32"]
    assert [x.dtype.name for x in eager] == [x.dtype for x in symbolic] == dtypes


# Two formulations and the oracle.


@QUICK
@given(calls(), options)
def test_formulations_equal_the_oracle(call, kwargs):
    expected = oracle.attend(*call, **kwargs)
    for formulation in FORMULATIONS:
        outputs = ContextualAttention(formulation=formulation, **kwargs)(*call)
        np.testing.assert_allclose(outputs, expected, atol=2e-4, err_msg=formulation)


def gradients(call, kwargs, formulation):
    layer = ContextualAttention(formulation=formulation, **kwargs)
    foreground, background, mask = call
    inputs = [tf.constant(foreground), tf.constant(background)]
    weights = random(*foreground.shape, seed=7)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(layer(*inputs, mask) * weights)
    return [gradient.numpy() for gradient in tape.gradient(total, inputs)]


@QUICK
@given(calls(), options)
def test_formulations_have_the_same_gradients(call, kwargs):
    expected = gradients(call, kwargs, "reference")
    for formulation in ("gram", "streamed"):
        for left, right in zip(gradients(call, kwargs, formulation), expected, strict=True):
            assert np.isfinite(left).all()
            np.testing.assert_allclose(left, right, atol=1e-3 * max(1.0, np.abs(right).max()))


@QUICK
@given(calls(), st.sampled_from(COMPAT), st.sampled_from([1, 2, 3]))
def test_formulations_attend_to_the_same_places(call, compat, rate):
    foreground, background, mask = call
    found = [
        ContextualAttention(rate=rate, compat=compat, formulation=formulation)(
            foreground, background, mask, return_attention=True
        )[1].numpy()
        for formulation in FORMULATIONS
    ]
    for sample, offsets in enumerate(zip(*found, strict=True)):
        sample_mask = None if mask is None else mask[sample]
        steps = oracle.attend_sample(
            foreground[sample], background[sample], sample_mask, rate=rate, compat=compat
        )
        probs = steps["probs"]
        top = np.sort(probs, axis=-1)
        clear = top[..., -1] - top[..., -2] > 1e-4 if probs.shape[-1] > 1 else top[..., -1] > 0
        rows, columns = np.divmod(probs.argmax(-1), steps["b_down"].shape[1])
        own_rows, own_columns = np.indices(probs.shape[:2])
        expected = np.stack([rows - own_rows, columns - own_columns], axis=-1)
        for actual in offsets:
            np.testing.assert_array_equal(actual[clear], expected[clear])


# Tiles.

sides = st.integers(1, 4)  # of a tile, in cells


def with_tiles_of(side, background, kwargs):
    """Make a layer whose tiles have so many cells a side."""
    patches = np.prod([-(-size // kwargs["rate"]) for size in background.shape[1:3]])
    halo = 2 * (kwargs["fuse_size"] // 2)
    memory = int(least_memory(patches, 1) * (side + halo + 0.5) ** 2)
    return ContextualAttention(formulation="streamed", memory=memory, **kwargs)


@QUICK
@given(calls(), options, sides)
def test_tiles_do_not_show(call, kwargs, side):
    whole = ContextualAttention(formulation="gram", **kwargs)
    tiled = with_tiles_of(side, call[1], kwargs)
    np.testing.assert_allclose(tiled(*call), whole(*call), atol=2e-5)


@QUICK
@given(calls(), options, sides, st.data())
def test_what_is_needed_is_exact(call, kwargs, side, data):
    foreground = call[0]
    needed = np.zeros((*foreground.shape[:3], 1), "float32")
    for sample in needed:
        for _ in range(data.draw(st.integers(0, 2))):
            row, column = (data.draw(st.integers(0, size - 1)) for size in needed.shape[1:3])
            sample[row : row + 2, column : column + 3] = 0.5
    tiled = with_tiles_of(side, call[1], kwargs)
    pruned = tiled(*call, needed=needed)
    expected = ContextualAttention(formulation="gram", **kwargs)(*call)
    np.testing.assert_allclose(pruned * (needed > 0), expected * (needed > 0), atol=2e-5)


def test_what_is_not_needed_is_left_out():
    maps = random(1, 32, 32, 4)
    needed = box(1, (32, 32), 4, 4, 3, 3)
    kwargs = {"rate": 2, "fuse_size": 3}
    pruned = with_tiles_of(2, maps, kwargs)(maps, maps, needed=needed)
    assert not np.any(pruned[:, 16:]) and not np.any(pruned[:, :, 16:])


@pytest.mark.parametrize("compiled", [False, True])
def test_nothing_may_be_needed(compiled):
    maps = random(1, 32, 32, 4)
    layer = with_tiles_of(2, maps, {"rate": 2, "fuse_size": 3})
    call = tf.function(layer) if compiled else layer
    outputs = call(maps, maps, needed=np.zeros((1, 32, 32, 1), "float32"))
    assert not np.any(outputs[:, 8:])


def test_large_maps_are_streamed(monkeypatch):
    monkeypatch.setattr(module, "STREAMED_ABOVE", 1000)
    seen = []
    monkeypatch.setattr(streamed, "attend", lambda *args: seen.append(args) or attend(*args))
    small, large = random(1, 8, 8, 4), random(1, 16, 16, 4)
    layer = ContextualAttention()
    for maps, streams in ((small, 0), (large, 1)):
        expected = ContextualAttention(formulation="gram")(maps, maps)
        np.testing.assert_allclose(layer(maps, maps), expected, atol=1e-5)
        assert len(seen) == streams


def test_memory_that_is_too_small():
    maps = random(1, 8, 8, 4)
    least = least_memory(16, 3)
    exact = ContextualAttention(formulation="streamed", memory=least)(maps, maps)
    np.testing.assert_allclose(exact, ContextualAttention()(maps, maps), atol=1e-5)
    with pytest.raises(ValueError, match=rf"the least is {least} bytes. Received: memory=100"):
        ContextualAttention(formulation="streamed", memory=100)(maps, maps)


@pytest.mark.parametrize(("size", "rate"), [(64, 2), (63, 2), (13, 2), (12, 3), (256, 4), (5, 8)])
def test_oracle_samples_tf1_as_tensorflow_1_did(size, rate):
    line = np.arange(size, dtype="float32").reshape(1, size, 1, 1)
    expected = tf.compat.v1.image.resize_nearest_neighbor(
        line, (-(-size // rate), 1), align_corners=True
    )
    assert oracle.kept_pixels(size, rate, "tf1") == expected.numpy().ravel().astype(int).tolist()


# Hand-worked numbers.


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_one_cell(formulation):
    # One patch, whose weight is 1: the four pixels come back, each from one patch of four.
    pixels = random(1, 2, 2, 3)
    outputs = ContextualAttention(formulation=formulation)(pixels, pixels)
    np.testing.assert_allclose(outputs, pixels / 4, atol=1e-6)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_no_preference_pastes_the_mean_patch(formulation):
    # Along an axis of 8 ones, patches start at -1, 1, 3, 5: their mean is (.75, 1, 1, .75). Every
    # pixel but the first and the last lies in two patches, as an inner and as an outer pixel.
    foreground, background = np.zeros((1, 8, 8, 2), "float32"), np.ones((1, 8, 8, 2), "float32")
    outputs = ContextualAttention(formulation=formulation)(foreground, background)
    line = np.array([1, *[1.75] * 6, 1]) / 2
    np.testing.assert_allclose(outputs[0, ..., 1], np.outer(line, line), atol=1e-6)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_finds_a_moved_pattern(formulation):
    # Distinct features: every place inside finds itself, two small pixels further.
    background = random(1, 24, 24, 16)
    foreground = np.roll(background, (-4, -2), axis=(1, 2))
    outputs, offsets = ContextualAttention(formulation=formulation)(
        foreground, background, return_attention=True
    )
    inside = np.asarray(offsets)[0, 2:-4, 2:-4]
    assert (inside == (2, 1)).all()
    np.testing.assert_allclose(outputs[0, 6:-10, 6:-10], foreground[0, 6:-10, 6:-10], atol=1e-3)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_weights_of_masked_patches_are_dropped(formulation):
    # Four cells, compared alone (patch 1, no fuse); scores of the unit features are 1, 0, 0, 0,
    # the last cell is missing: e / (e + 3) goes to the first, exp(0) is lost to the last.
    background = np.zeros((1, 2, 2, 4), "float32")
    background.reshape(4, 4)[:] = np.eye(4)
    mask = box(1, (2, 2), 1, 1, 1, 1)
    layer = ContextualAttention(
        patch_size=1, rate=1, fuse_size=1, softmax_scale=1, formulation=formulation
    )
    outputs = layer(background, background, mask).numpy()
    # A patch of rate 1 is 2x2 pixels: its cell and what is right and below.
    probs = np.full((4, 4), 1.0)
    probs[np.arange(3), np.arange(3)] = np.e
    probs /= probs.sum(axis=1, keepdims=True)
    probs[:, 3] = 0
    assert outputs[0, 0, 0] == pytest.approx(np.append(probs[0, :3], 0) / 4, abs=1e-6)


# Extremes.


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("compat", COMPAT)
def test_everything_masked_gives_zeros(formulation, compat):
    maps = tf.constant(random(2, 8, 8, 4))
    layer = ContextualAttention(compat=compat, formulation=formulation)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs, offsets = layer(maps, maps, np.ones((2, 8, 8, 1)), return_attention=True)
    assert not np.any(outputs)
    assert np.isfinite(tape.gradient(outputs, maps)).all()
    # All weights are zero, so all places look at the first patch.
    assert offsets[0, 2, 3].numpy().tolist() == [-2, -3]


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("compat", COMPAT)
@pytest.mark.parametrize("value", [0.0, 1e-8, 1e4])
def test_flat_features_stay_finite(formulation, compat, value):
    maps = tf.constant(np.full((1, 8, 8, 4), value, "float32"))
    layer = ContextualAttention(compat=compat, formulation=formulation)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs = layer(maps, maps, box(1, (8, 8), 2, 2, 3, 3))
    assert np.isfinite(outputs).all()
    assert np.isfinite(tape.gradient(outputs, maps)).all()


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_samples_do_not_see_each_other(formulation):
    foreground, background = random(3, 8, 6, 4), random(3, 8, 8, 4, seed=1)
    mask = np.concatenate([box(1, (8, 8), top, 2, 3, 3) for top in (0, 3, 5)])
    layer = ContextualAttention(formulation=formulation)
    together = layer(foreground, background, mask)
    for i in range(3):
        alone = layer(foreground[i : i + 1], background[i : i + 1], mask[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)
    with_first_mask = layer(foreground, background, np.repeat(mask[:1], 3, axis=0))
    assert np.abs(with_first_mask[1:] - together[1:]).max() > 0.01


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("compat", COMPAT)
def test_sizes_unknown_to_the_graph(formulation, compat):
    layer = ContextualAttention(compat=compat, formulation=formulation)
    maps, masks = tf.TensorSpec((None, None, None, 4)), tf.TensorSpec((None, None, None, 1))

    @tf.function(input_signature=(maps, maps, masks))
    def attend(foreground, background, mask):
        return layer(foreground, background, mask, return_attention=True)

    for front, back, multiple in (((8, 6), (8, 6), 4), ((7, 9), (10, 5), 1), ((4, 4), (3, 8), 2)):
        call = (random(2, *front, 4), random(2, *back, 4, seed=1))
        mask = box(2, (back[0] * multiple, back[1] * multiple), multiple, 0, multiple, multiple)
        outputs, offsets = attend(*call, mask)
        expected, expected_offsets = layer(*call, mask, return_attention=True)
        np.testing.assert_allclose(outputs, expected, atol=1e-5)
        np.testing.assert_array_equal(offsets, expected_offsets)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "float64", "int32"])
def test_mask_of_any_dtype(dtype):
    maps, mask = random(1, 8, 8, 4), box(1, (16, 16), 4, 4, 6, 6)
    layer = ContextualAttention()
    np.testing.assert_array_equal(layer(maps, maps, mask.astype(dtype)), layer(maps, maps, mask))


def test_soft_mask_counts_as_missing():
    maps, mask = random(1, 8, 8, 4), box(1, (8, 8), 2, 2, 4, 4)
    layer = ContextualAttention()
    np.testing.assert_array_equal(layer(maps, maps, mask * 0.1), layer(maps, maps, mask))


# Bad arguments.


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("patch_size", 2, "`patch_size` must be odd.*patch_size=2"),
        ("patch_size", 0, "patch_size=0"),
        ("rate", 0, "`rate` must be a positive integer.*rate=0"),
        ("rate", 1.5, "rate=1.5"),
        ("fuse_size", 4, "`fuse_size` must be odd.*fuse_size=4"),
        ("fuse_size", True, "fuse_size=True"),
        ("softmax_scale", 0, "`softmax_scale` must be above 0.*0"),
        ("softmax_scale", "ten", "ten"),
        ("softmax_scale", float("nan"), "nan"),
        ("compat", "tf2", "compat='tf2'.*Did you mean 'tf1'"),
        ("formulation", "grams", "'grams'.*Did you mean 'gram'"),
        ("memory", 0, "memory=0"),
    ],
)
def test_bad_option(option, value, message):
    with pytest.raises(ValueError, match=message):
        ContextualAttention(**{option: value})


@pytest.mark.parametrize(
    ("front", "back", "mask", "message"),
    [
        ((1, 8, 8), (1, 8, 8, 4), None, r"must be \(B, H, W, C\).*\(1, 8, 8\)"),
        ((1, 8, 8, 3), (1, 8, 8, 4), None, r"same channels.*\(1, 8, 8, 3\)"),
        ((1, 8, 8, 4), (1, 8, 8, 4), (1, 12, 12, 1), r"`mask`.*integer k.*\(1, 12, 12, 1\)"),
        ((1, 8, 8, 4), (1, 8, 8, 4), (1, 8, 8, 3), r"`mask`.*\(1, 8, 8, 3\)"),
        ((1, 8, 8, 4), (1, 8, 8, 4), (1, 8, 8), r"`mask`.*\(1, 8, 8\)"),
        ((1, 8, 8, 4), (1, 8, 8, 4), (1, 4, 4, 1), r"`mask`.*\(1, 4, 4, 1\)"),
    ],
)
def test_bad_shapes(front, back, mask, message):
    with pytest.raises(ValueError, match=message):
        ContextualAttention()(
            np.zeros(front, "float32"),
            np.zeros(back, "float32"),
            None if mask is None else np.zeros(mask, "float32"),
        )
