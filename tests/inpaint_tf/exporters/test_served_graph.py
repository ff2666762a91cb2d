"""The steps of `fill` that a SavedModel takes agree with those in Python."""

from __future__ import annotations

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from odd_holes import HOLES

from inpaint_tf.exporters import served_graph
from inpaint_tf.exporters.served_graph import (
    ServedGraph,
    hole_depth,
    squared_distances,
    with_detail,
)
from inpaint_tf.inference import NetworkInpainter, detail, piecewise
from inpaint_tf.inference.detail import add_detail
from inpaint_tf.models import create

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def detailed():
    """`with_detail` as one graph for all sizes, as it is exported."""
    signature = [tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((None, None), tf.float32)]
    return tf.function(with_detail, input_signature=signature, autograph=False)


def textured(height, width, mask):
    """A photograph of noise over a gradient, whose holes are smooth."""
    y, x = np.mgrid[:height, :width]
    noise = RNG.normal(0, 12, (height, width, 3))
    levels = 60 + (x + y)[..., None] * 120 / (height + width) + noise
    image = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.where(mask[..., None] == 1, cv2.GaussianBlur(image, (0, 0), 6), image)


@pytest.mark.parametrize("mask", HOLES.values(), ids=HOLES)
def test_distances_are_opencvs(mask):
    expected = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    holes = mask.astype(np.float32)
    np.testing.assert_allclose(np.sqrt(squared_distances(holes)), expected, atol=1e-5)
    near = np.sqrt(squared_distances(holes, 8))
    np.testing.assert_allclose(near.clip(max=8), expected.clip(max=8), atol=1e-5)
    np.testing.assert_allclose(hole_depth(holes), expected.max(), atol=1e-5)


@pytest.mark.parametrize("mask", HOLES.values(), ids=HOLES)
def test_detail_is_that_of_fill(detailed, mask):
    filled = textured(*mask.shape, mask)
    found = detailed(filled, mask.astype(np.float32)).numpy().astype(int)
    gap = np.abs(found - add_detail(filled, mask))
    assert gap.max() <= 1 and (gap > 0).mean() <= 1e-4


@pytest.mark.parametrize("value", [0, 1])
def test_nothing_or_everything_missing_changes_nothing(detailed, value):
    filled = textured(24, 32, np.zeros((24, 32)))
    found = detailed(filled, np.full((24, 32), value, np.float32))
    np.testing.assert_array_equal(found, filled)


def test_detail_of_several_boxes_and_of_large_cells(detailed):
    strokes, square = (np.zeros((400, 700), np.uint8) for _ in range(2))
    strokes[20:50, 10:690] = strokes[350:370, 300:330] = 1
    square[40:320, 200:480] = 1
    assert len(detail._boxes(strokes[:, :696] == 1, 8)) > 1
    for mask in (strokes, square):
        filled = textured(*mask.shape, mask)
        gap = np.abs(detailed(filled, mask.astype(np.float32)).numpy().astype(int))
        gap = np.abs(gap - add_detail(filled, mask))
        assert gap.max() <= 1 and (gap > 0).mean() <= 1e-4
        assert np.any(add_detail(filled, mask) != filled)


def test_wide_holes_are_reduced_as_by_fill(monkeypatch):
    monkeypatch.setattr(served_graph, "LARGE", 100)
    monkeypatch.setattr(piecewise, "LARGE", 100)
    keras.utils.set_random_seed(3)
    model = create("ca", width=4)
    images = RNG.integers(0, 256, (2, 104, 123, 3), np.uint8)
    masks = np.zeros((2, 104, 123, 1), np.uint8)
    masks[0, 10:90, 20:100] = masks[1, 40:60, 30:50] = 1
    outputs = {}
    for hole in (None, 16):
        inpainter = NetworkInpainter(model, model.mask_mode, "ca", trained_hole=hole)
        outputs[hole] = ServedGraph(model, trained_hole=hole)(images, masks)["output"].numpy()
        gap = np.abs(outputs[hole].astype(int) - inpainter.fill(images, masks))
        assert gap.max() <= 1 and (gap > 0).mean() <= 1e-3
    differs = (outputs[None] != outputs[16]).any(axis=(1, 2, 3))
    assert differs.tolist() == [True, False]
