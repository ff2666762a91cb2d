"""Resizing in the graph against Pillow's of floats and OpenCV's bicubic."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from inpaint_tf.inference.piecewise import enlarged
from inpaint_tf.models.resizing import enlarge, resize, to_levels

METHODS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("source", [(8, 8), (31, 50), (200, 64)])
@pytest.mark.parametrize("target", [(16, 16), (31, 50), (128, 128), (9, 201)])
def test_pictures_are_pillows(method, source, target):
    noise = np.random.default_rng(0).integers(0, 256, (2, *source, 3), np.uint8)
    channels = np.moveaxis(noise.astype(np.float32), -1, 1).reshape(-1, *source)
    resized = [Image.fromarray(each).resize(target[::-1], METHODS[method]) for each in channels]
    expected = np.clip(np.rint(np.moveaxis(np.reshape(resized, (2, 3, *target)), 1, -1)), 0, 255)
    exact = np.asarray(resize(noise.astype(np.float32), *target, method))
    found = np.asarray(to_levels(exact))
    # What lies on a half may fall either way; nothing else may.
    on_a_half = np.abs(exact % 1 - 0.5) < 1e-3
    np.testing.assert_array_equal(found[~on_a_half], expected[~on_a_half])
    assert np.abs(found.astype(int) - expected).max() <= 1 and on_a_half.mean() < 0.2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [(48, 64), (7, 9), (20, 33)])
def test_floats_are_pillows(method, target):
    values = np.random.default_rng(1).random((1, 20, 33, 1), np.float32)
    picture = Image.fromarray(values[0, ..., 0])
    expected = np.asarray(picture.resize(target[::-1], METHODS[method]))
    found = np.asarray(resize(values, *target, method))[0, ..., 0]
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("target", [(48, 64), (20, 33), (61, 200)])
def test_enlarged_pictures_are_opencvs(target):
    values = np.random.default_rng(1).random((1, 20, 33, 3), np.float32)
    expected = cv2.resize(values[0], target[::-1], interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(np.asarray(enlarge(values, *target))[0], expected, atol=1e-5)


@pytest.mark.parametrize(("size", "target"), [((256, 280), (520, 560)), ((64, 30), (1000, 700))])
def test_a_graph_and_numpy_enlarge_alike(size, target):
    values = np.random.default_rng(1).uniform(-1, 1, (1, *size, 3)).astype(np.float32)
    found = enlarged(values[0], *target)
    np.testing.assert_allclose(np.asarray(enlarge(values, *target))[0], found, atol=2e-6)
    opencv = cv2.resize(values[0], target[::-1], interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(found, opencv, atol=5e-5)
