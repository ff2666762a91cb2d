"""Resizing in the graph against Pillow's of floats."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from inpaint_tf.exporters.resizing import resize
from inpaint_tf.inference.network import _resized

METHODS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("source", [(8, 8), (31, 50), (200, 64)])
@pytest.mark.parametrize("target", [(16, 16), (31, 50), (128, 128), (9, 201)])
def test_pictures_are_those_of_the_inpainter(method, source, target):
    noise = np.random.default_rng(0).integers(0, 256, (2, *source, 3), np.uint8)
    expected = _resized(noise, *target, METHODS[method])
    found = resize(tf.constant(noise), *target, method).numpy()
    exact = resize(tf.constant(noise, tf.float32), *target, method).numpy()
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
    found = resize(tf.constant(values), *target, method).numpy()[0, ..., 0]
    np.testing.assert_allclose(found, expected, atol=2e-6)
