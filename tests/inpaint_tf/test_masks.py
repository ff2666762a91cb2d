"""Masks, mask modes, mosaics and crops."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from inpaint_tf.masks import (
    MODES,
    HoleShape,
    MaskMode,
    NothingKnownError,
    box_mask,
    brush_mask,
    crop_boxes,
    dilated,
    evaluation_masks,
    mosaic,
    opencv_inpaint,
)
from neuralgym_lite.errors import UserError
from neuralgym_lite.seeds import generator


def photographs(batch=2, height=24, width=20, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (batch, height, width, 3), "uint8")


def a_hole(batch=2, height=24, width=20):
    mask = np.zeros((batch, height, width, 1), "uint8")
    for i, sample in enumerate(mask):
        sample[6 + i : 14, 4 : 11 + i] = 1
    return mask


# Mask modes.


@pytest.mark.parametrize("name", MODES)
def test_known_pixels_are_shown_as_they_are(name):
    images, masks = photographs(), a_hole()
    shown = MaskMode(name, unit=5).apply(images, masks)
    assert shown.dtype == np.float32
    assert shown.shape == images.shape
    known = masks[..., 0] == 0
    np.testing.assert_array_equal(shown[known], (images.astype("float32") / 127.5 - 1)[known])


@pytest.mark.parametrize("name", ["hole", "hole_ns", "hole_telea"])
def test_missing_pixels_are_not_shown(name):
    images, masks = photographs(), a_hole()
    changed = np.where(masks == 1, 255 - images, images).astype("uint8")
    mode = MaskMode(name)
    np.testing.assert_array_equal(mode.apply(images, masks), mode.apply(changed, masks))


@pytest.mark.parametrize("name", MODES)
def test_samples_do_not_see_each_other(name):
    images, masks = photographs(), a_hole()
    mode = MaskMode(name, unit=5)
    alone = [mode.apply(images[i : i + 1], masks[i : i + 1])[0] for i in range(2)]
    np.testing.assert_allclose(mode.apply(images, masks), np.stack(alone), atol=1e-6)


def test_hole_is_mid_grey():
    masks = a_hole()
    shown = MaskMode("hole").apply(photographs(), masks)
    assert not shown[masks[..., 0] == 1].any()


def test_mosaic_shows_its_blocks_in_the_hole():
    images, masks = photographs(), a_hole()
    shown = MaskMode("mosaic", 5, "nearest").apply(images, masks)
    blocks = np.asarray(mosaic(images.astype("float32") / 127.5 - 1, 5, "nearest"))
    missing = masks[..., 0] == 1
    np.testing.assert_allclose(shown[missing], blocks[missing], atol=1e-6)


@pytest.mark.parametrize("method", ["ns", "telea"])
def test_prefill(method):
    images, masks = photographs(), a_hole()
    mode = MaskMode(f"hole_{method}")
    assert mode.prefills
    filled = mode.prefill(images[0], masks[0])
    np.testing.assert_array_equal(filled, opencv_inpaint(images[0], masks[0, ..., 0], method))
    expected = filled.astype("float32") / 127.5 - 1
    np.testing.assert_allclose(mode.apply(images, masks)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["hole", "mosaic"])
def test_others_do_not_prefill(name):
    images, masks = photographs(), a_hole()
    assert not MaskMode(name).prefills
    np.testing.assert_array_equal(MaskMode(name).prefill(images[0], masks[0]), images[0])


@pytest.mark.parametrize("method", ["ns", "telea"])
def test_opencv_fills_a_flat_photograph_flat(method):
    image = np.full((16, 16, 3), (10, 120, 250), "uint8")
    mask = box_mask((4, 4, 8, 8), 16)
    spoiled = np.where(mask == 1, 0, image).astype("uint8")
    filled = opencv_inpaint(spoiled, mask, method)
    np.testing.assert_allclose(filled.astype(int), image, atol=2, rtol=0)


def test_config_round_trip():
    mode = MaskMode("mosaic", 7, "nearest")
    config = json.loads(json.dumps(mode.get_config()))
    assert MaskMode.from_config(config) == MaskMode.get(config) == MaskMode.get(mode) == mode
    assert MaskMode.get("hole_ns") == MaskMode("hole_ns")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mosiac",), "Unknown mask: 'mosiac'. Did you mean 'mosaic'"),
        (("mosaic", 0), "unit must be at least 1 pixel. Received: 0"),
        (("mosaic", 12, "cubic"), "Unknown mosaic interpolation: 'cubic'"),
    ],
)
def test_bad_mode(arguments, message):
    with pytest.raises(UserError, match=message):
        MaskMode(*arguments)


# Mosaics.


def line(*values):
    return np.array(values, "float32").reshape(1, 1, -1, 1)


def test_nearest_mosaic_by_hand():
    # 7 pixels in units of 3 make 2 blocks, of pixels 0 and 3; pixel j shows block j * 2 // 7.
    actual = mosaic(line(10, 11, 12, 13, 14, 15, 16), 3, "nearest")
    assert np.asarray(actual).ravel().tolist() == [10, 10, 10, 10, 13, 13, 13]


def test_bilinear_mosaic_by_hand():
    # Centres at 0.5 and 2.5 give 1 and 5; going up, pixels lie at -.25, .25, .75, 1.25 of those.
    actual = mosaic(line(0, 2, 4, 6), 2, "bilinear")
    np.testing.assert_allclose(np.asarray(actual).ravel(), [1, 2, 4, 5], atol=1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_mosaic_of_one_pixel_units_is_the_image(interpolation):
    image = photographs().astype("float32")
    np.testing.assert_allclose(mosaic(image, 1, interpolation), image, rtol=1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("unit", [24, 100])
def test_mosaic_of_one_block_is_flat(interpolation, unit):
    blocks = np.asarray(mosaic(photographs().astype("float32"), unit, interpolation))
    np.testing.assert_allclose(blocks, np.broadcast_to(blocks[:, :1, :1], blocks.shape), rtol=1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_mosaic_of_a_size_unknown_to_the_graph(interpolation):
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def blocks(image):
        return mosaic(image, 5, interpolation)

    for size in ((24, 20), (17, 31)):
        image = photographs(2, *size).astype("float32")
        np.testing.assert_allclose(blocks(image), mosaic(image, 5, interpolation), atol=1e-4)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("unit", [1, 5, 12, 100])
def test_photographs_are_shown_as_tensors_are(interpolation, unit):
    images, masks = photographs(2, 43, 31), a_hole(2, 43, 31)
    masks[1, 42, 30] = masks[0, :, 3] = 1
    mode = MaskMode("mosaic", unit, interpolation)
    tensor = tf.constant(images.astype("float32") / 127.5 - 1)
    expected = mode.masked_input(tensor, tf.constant(masks))
    np.testing.assert_allclose(mode.apply(images, masks), expected, atol=5e-7)


def test_mosaic_of_a_long_photograph_takes_little_memory():
    # A matrix of all its places and pixels would take 13 GB.
    images = np.full((1, 200_000, 8, 3), 51, "uint8")
    masks = np.zeros((1, 200_000, 8, 1), "uint8")
    masks[:, 150_000:150_040, 2:6] = 1
    shown = MaskMode("mosaic").apply(images, masks)
    np.testing.assert_allclose(shown, np.full_like(shown, -0.6), atol=1e-6)


# Holes.


def bounds(mask):
    rows, columns = np.flatnonzero(mask.any(axis=(1, 2))), np.flatnonzero(mask.any(axis=(0, 2)))
    box = (rows[0], columns[0], rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
    assert mask.sum() == box[2] * box[3]
    return box


def test_holes_lie_centred_in_their_boxes():
    masks, boxes = HoleShape(16, 12, 6, same_box=False).draw(generator(0, "t"), 64, 32)
    assert masks.shape == (64, 32, 32, 1)
    assert masks.dtype == np.uint8
    assert boxes.dtype == np.int32
    sides = set()
    for mask, (top, left, height, width) in zip(masks, boxes, strict=True):
        hole = bounds(mask)
        assert (height, width) == (16, 12)
        assert 2 * (hole[0] - top) == height - hole[2]
        assert 2 * (hole[1] - left) == width - hole[3]
        sides.add((hole[2], hole[3]))
    assert sides == {(16 - 2 * i, 12 - 2 * j) for i in range(4) for j in range(4)}
    assert len(np.unique(boxes, axis=0)) > 32


def test_margin_and_last_place():
    _, boxes = HoleShape(8, 10, margin=3, same_box=False).draw(generator(0, "t"), 400, 24)
    # As in the published code, the last possible place is never drawn.
    assert set(boxes[:, 0]) == set(range(3, 24 - 3 - 8))
    assert set(boxes[:, 1]) == set(range(3, 24 - 3 - 10))


def test_same_box_for_a_batch():
    masks, boxes = HoleShape(16, 16, 8).draw(generator(0, "t"), 16, 32)
    assert len(np.unique(boxes, axis=0)) == 1
    assert len({bounds(mask) for mask in masks}) > 4


def test_hole_as_large_as_the_picture():
    shape = HoleShape(16, 16)
    shape.check(16)
    masks, boxes = shape.draw(generator(0, "t"), 2, 16)
    assert masks.all()
    assert boxes.tolist() == [[0, 0, 16, 16]] * 2


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (HoleShape(33, 16), "height is 33 .*the image has 32 pixels. Choose at most 32"),
        (HoleShape(16, 0), "width is 0 pixels"),
        (HoleShape(30, 30, margin=2), "margin of 2.*Choose at most 28"),
        (HoleShape(16, 8, 8), "max_delta.*width of 8.*Received: 8"),
        (HoleShape(16, 16, -1), "max_delta.*Received: -1"),
        (HoleShape(16, 16, brush=1.5), "share of strokes must be from 0 to 1. Received: 1.5"),
    ],
)
def test_bad_hole(shape, message):
    with pytest.raises(UserError, match=message):
        shape.check(32)


def test_strokes_lie_in_their_holes():
    plain, brush = (
        HoleShape(32, 24, 8, same_box=False, brush=share).draw(generator(0, "t"), 64, 64)
        for share in (0, 1)
    )
    np.testing.assert_array_equal(brush[1], plain[1])
    strokes, holes = (masks.sum(axis=(1, 2, 3)) for masks in (brush[0], plain[0]))
    assert brush[0].dtype == np.uint8
    assert not np.any(brush[0] > plain[0])
    assert strokes.min() > 0
    assert np.mean(strokes < 0.9 * holes) > 0.9


def test_a_share_of_the_holes_is_strokes():
    shape = HoleShape(32, 32, brush=0.25)
    masks, _ = shape.draw(generator(0, "t"), 400, 64)
    assert np.mean(masks.sum((1, 2, 3)) < 32 * 32) == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (3, 5, 1, 7), (2, 0, 9, 2)])
def test_strokes_in_the_smallest_boxes(box):
    strokes = brush_mask(box, 16, generator(0, "t"))
    assert 0 < strokes.sum() <= box_mask(box, 16).sum()
    assert not np.any(strokes > box_mask(box, 16))


def test_box_mask():
    assert box_mask((1, 0, 1, 2), 3)[..., 0].tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_center_evaluation_masks():
    masks = evaluation_masks("center", 2, 16)
    assert masks.dtype == np.uint8
    assert [bounds(mask) for mask in masks] == [(4, 4, 8, 8)] * 2


@pytest.mark.parametrize("kind", ["hole", "strokes"])
def test_evaluation_masks_depend_on_their_index_alone(kind):
    masks = evaluation_masks(kind, 20, 32)
    np.testing.assert_array_equal(evaluation_masks(kind, 5, 32), masks[:5])
    assert np.any(evaluation_masks(kind, 20, 32, seed=1) != masks)
    assert len({mask.tobytes() for mask in masks}) > 15


def test_sides_of_hole_evaluation_masks():
    masks = evaluation_masks("hole", 20, 32)
    sides = np.array([bounds(mask)[2:] for mask in masks])
    assert sides.min() >= 12
    assert sides.max() <= 16
    assert len({bounds(mask) for mask in masks}) > 15


@pytest.mark.parametrize("kind", ["center", "hole", "strokes"])
def test_no_evaluation_masks(kind):
    assert evaluation_masks(kind, 0, 16).shape == (0, 16, 16, 1)


def test_unknown_evaluation_mask():
    with pytest.raises(UserError, match="Unknown evaluation mask: 'centre'. Did you mean 'center'"):
        evaluation_masks("centre", 1, 16)


# Crops.


def test_crop_boxes_are_slices():
    images = photographs().astype("float32")
    boxes = np.array([(3, 5, 8, 6), (16, 14, 8, 6)], "int32")
    crops = np.asarray(crop_boxes(images, boxes, 8, 6))
    for crop, image, (top, left, _, _) in zip(crops, images, boxes, strict=True):
        np.testing.assert_array_equal(crop, image[top : top + 8, left : left + 6])


def test_gradient_of_crop_boxes_is_one_inside_and_zero_outside():
    images = tf.constant(photographs(1).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(images)
        crops = crop_boxes(images, tf.constant([(3, 5, 8, 6)]), 8, 6)
    expected = np.zeros(images.shape)
    expected[:, 3:11, 5:11] = 1
    np.testing.assert_array_equal(tape.gradient(crops, images), expected)


def test_a_mask_grows_by_distance() -> None:
    rng = np.random.default_rng(0)
    for pixels in (0, 1, 2, 5, 17, 10**30):
        mask = (rng.random((40, 33)) < 0.004).astype(np.uint8)
        mask[rng.integers(40), rng.integers(33)] = 1
        before = mask.copy()
        places = np.argwhere(mask)
        steps = np.argwhere(mask >= 0)[:, None] - places
        near = ((steps**2).sum(axis=-1) <= pixels**2).any(axis=-1).reshape(mask.shape)
        wide = dilated(mask, pixels)
        assert wide.dtype == np.uint8
        np.testing.assert_array_equal(wide, near)
        np.testing.assert_array_equal(mask, before)
    assert not dilated(np.zeros((9, 9), np.uint8), 5).any()


@pytest.mark.parametrize("name", ["hole_ns", "hole_telea"])
def test_a_network_is_not_shown_what_is_missing_everywhere(name: str) -> None:
    image, mask = np.zeros((2, 9, 9, 3), np.uint8), np.ones((2, 9, 9, 1), np.uint8)
    with pytest.raises(NothingKnownError, match="^everything is missing, and"):
        MaskMode(name).apply(image, mask)
