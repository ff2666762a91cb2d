"""Masks, mosaics and OpenCV's fills against the published code."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.masks import HoleShape, MaskMode, mosaic, opencv_inpaint
from neuralgym_lite.seeds import generator

MOSAICS = {"256x256_u12": 12, "128x128_u12": 12, "250x190_u12": 12, "64x64_u8": 8}


def load_mosaic(golden, case):
    file = np.load(golden / "losses_mosaic.npz")
    prefix = f"{case}:"
    arrays = {name.removeprefix(prefix): file[name] for name in file if name.startswith(prefix)}
    arrays["image"] = arrays["image_uint8"].astype("float32") / 127.5 - 1
    return arrays


@pytest.mark.parametrize("case", MOSAICS)
def test_nearest_mosaic_is_exact(golden, case):
    arrays = load_mosaic(golden, case)
    blocks = np.asarray(mosaic(arrays["image"], MOSAICS[case], "nearest"))
    source = arrays["image"][:, arrays["src_row"]][:, :, arrays["src_col"]]
    np.testing.assert_array_equal(blocks, source)
    np.testing.assert_allclose(blocks, arrays["mosaic_full"], atol=1e-6)


@pytest.mark.parametrize("case", MOSAICS)
def test_nearest_mosaic_in_the_hole(golden, case):
    arrays = load_mosaic(golden, case)
    mode = MaskMode("mosaic", MOSAICS[case], "nearest")
    shown = mode.apply(arrays["image_uint8"], arrays["mask"])
    np.testing.assert_allclose(shown, arrays["result"], atol=1e-6)


@pytest.mark.parametrize("case", MOSAICS)
def test_bilinear_mosaic(golden, case):
    arrays = load_mosaic(golden, case)
    blurred = mosaic(arrays["image"], MOSAICS[case], "bilinear")
    np.testing.assert_allclose(blurred, arrays["bilinear_full"].astype("float32"), atol=5e-4)


def hole_of(mask):
    rows, columns = np.any(mask, axis=(1, 2)), np.any(mask, axis=(0, 2))
    top, left = rows.argmax(), columns.argmax()
    assert mask.sum() == rows.sum() * columns.sum(), "a hole is a full rectangle"
    return [top, left, rows.sum(), columns.sum()]


def check_rules(boxes, holes, size=256, side=128, delta=32):
    boxes, holes = np.asarray(boxes), np.asarray(holes)
    assert (boxes[:, 2:] == side).all()
    # The upper bound is exclusive: the last possible place is never drawn.
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] < size - side).all()
    shrink = holes[:, :2] - boxes[:, :2]
    assert (shrink >= 0).all()
    assert (shrink <= delta // 2).all()
    np.testing.assert_array_equal(holes[:, 2:], side - 2 * shrink)


def test_rules_of_the_boxes(golden):
    # The published numbers come from another generator, so both must keep the same rules.
    arrays = np.load(golden / "mask_bbox.npz")
    for kind, same in (("same", True), ("diff", False)):
        expected = arrays[f"{kind}_bboxes"]
        check_rules(expected, arrays[f"{kind}_mask_tlhw"])
        shape = HoleShape(128, 128, 32, same_box=same)
        masks, boxes = shape.draw(generator(0, "test"), 50, 256)
        check_rules(boxes, [hole_of(mask) for mask in masks])
        assert (len(np.unique(expected, axis=0)) == 1) == same
        assert (len(np.unique(boxes, axis=0)) == 1) == same


@pytest.mark.parametrize("method", ["ns", "telea"])
def test_opencv(golden, method):
    arrays = np.load(golden / "hole_ns_telea_cv5.0.0.npz")
    image = np.clip(np.round((arrays["masked"] + 1) * 127.5), 0, 255).astype("uint8")
    filled = opencv_inpaint(image, (arrays["mask"] > 0).astype("uint8"), method)
    difference = np.abs(filled.astype(int) - arrays[f"{method}_uint8"].astype(int))
    assert difference.max() <= 1
