"""Smooth surroundings are continued in holes of any form and size; nothing else is touched."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_holes import HEIGHT, HOLES, WIDTH

from inpaint_tf.inference import smooth
from inpaint_tf.inference.smooth import continue_smooth

FORMS = ("square", "oblong", "stroke", "corner", "several")


def gradient(
    height: int, width: int, first: tuple[int, ...], last: tuple[int, ...], angle: float
) -> np.ndarray:
    """A picture that runs evenly from one color to another; of one color if both are the same."""
    y, x = np.mgrid[:height, :width]
    along = y / height * np.sin(angle) + x / width * np.cos(angle)
    along = (along - along.min()) / np.ptp(along)
    colors = np.array(first) + np.subtract(last, first) * along[..., None]
    return np.rint(colors).astype(np.uint8)


def hole(form: str, height: int, width: int, share: float) -> np.ndarray:
    """A mask whose holes take up to so much of each side."""
    mask = np.zeros((height, width), np.uint8)
    tall, wide = max(int(height * share), 1), max(int(width * share), 1)
    top, left = (height - tall) // 2, (width - wide) // 2
    if form == "square":
        side = min(tall, wide)
        mask[top : top + side, left : left + side] = 1
    elif form == "oblong":
        mask[top : top + tall, left : left + max(wide // 3, 1)] = 1
    elif form == "stroke":
        ends = (left, top), (left + wide - 1, top + tall - 1)
        cv2.line(mask, *ends, 1, max(min(tall, wide) // 8, 1))
    elif form == "corner":
        mask[-tall:, -wide:] = 1
    else:
        mask[top : top + tall : 5, left : left + max(wide // 2, 1)] = 1
        mask[top : top + tall, left + wide // 2 :: 40] = 1
    return mask


def error(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.abs(filled.astype(int) - truth)[mask == 1]


colors = st.tuples(*[st.integers(0, 255)] * 3)


@settings(max_examples=60, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    size=st.tuples(*[st.integers(64, 300)] * 2),
    share=st.floats(0.05, 0.8),
    ends=st.tuples(colors, colors),
    angle=st.floats(0, 6.3),
)
def test_even_pictures_come_back(form, size, share, ends, angle):
    truth = gradient(*size, *ends, angle)
    mask = hole(form, *size, share)
    shown = np.where(mask[..., None] == 1, 77, truth).astype(np.uint8)
    filled, left = continue_smooth(shown, mask)
    assert not left.any()
    np.testing.assert_array_equal(filled[mask == 0], truth[mask == 0])
    assert error(filled, truth, mask).mean() <= 0.5
    assert error(filled, truth, mask).max() <= 2


def test_large_pictures_come_back():
    """Of more cells than the remainder is interpolated on, of any of its sizes."""
    truth = gradient(1200, 2048, (250, 10, 90), (20, 200, 90), 0.7)
    mask = hole("square", 1200, 2048, 0.8)
    filled, left = continue_smooth(np.where(mask[..., None] == 1, 0, truth).astype(np.uint8), mask)
    assert not left.any()
    assert error(filled, truth, mask).max() <= 1


def test_what_differs_from_a_plane_is_continued_too(monkeypatch):
    """A background that is brighter in the middle, as of a lamp, has no edge around the hole."""
    y, x = np.mgrid[-1:1:400j, -1:1:400j]
    truth = np.rint(240 - 9 * (x**2 + y**2))[..., None].repeat(3, axis=-1).astype(np.uint8)
    mask = hole("square", 400, 400, 0.4)
    fine, left = continue_smooth(truth, mask)
    assert not left.any()
    inner = mask & (1 - cv2.erode(mask, np.ones((3, 3), np.uint8)))
    assert error(fine, truth, inner).max() <= 1
    monkeypatch.setattr(smooth, "CELLS", 50)
    coarse, _ = continue_smooth(truth, mask)
    assert np.abs(coarse.astype(int) - fine).max() <= 1


@pytest.mark.parametrize("mask", HOLES.values(), ids=HOLES)
def test_textured_surroundings_are_left_alone(mask):
    levels = np.random.default_rng(0).normal(128, 5, (HEIGHT, WIDTH, 3))
    image = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    filled, left = continue_smooth(image, mask)
    np.testing.assert_array_equal(filled, image)
    np.testing.assert_array_equal(left, mask)


def test_each_hole_is_judged_by_its_own_surroundings():
    image = gradient(96, 200, (10, 60, 200), (240, 60, 90), 0.0)
    image[:, 100:] = np.random.default_rng(0).integers(0, 256, (96, 100, 3))
    mask = np.zeros((96, 200), np.uint8)
    mask[30:60, 30:60] = mask[30:60, 130:160] = 1
    filled, left = continue_smooth(np.where(mask[..., None] == 1, 0, image).astype(np.uint8), mask)
    assert error(filled[:, :100], image[:, :100], mask[:, :100]).max() <= 1
    assert not left[:, :100].any()
    np.testing.assert_array_equal(left[:, 100:], mask[:, 100:])


def test_a_line_beside_the_hole_is_no_smooth_surrounding():
    """A wire that the hole cuts is for the network to go on with."""
    image = np.full((120, 120, 3), 230, np.uint8)
    image[58:61] = 40
    mask = hole("square", 120, 120, 0.3)
    np.testing.assert_array_equal(continue_smooth(image, mask)[1], mask)


def test_a_narrow_band_beside_a_wide_hole_tells_no_slope():
    """Steps of one level in it would be many over the hole."""
    image = np.full((150, 300, 3), 128, np.uint8)
    image[4:] += 1
    mask = np.zeros((150, 300), np.uint8)
    mask[8:] = 1
    filled, left = continue_smooth(image, mask)
    assert not left.any()
    assert error(filled, np.full_like(image, 128), mask).max() <= 1


def test_a_few_known_pixels_tell_too_little():
    image = np.full((64, 64, 3), 128, np.uint8)
    mask = np.ones((64, 64), np.uint8)
    mask[:10, :10] = 0
    np.testing.assert_array_equal(continue_smooth(image, mask)[1], mask)


@pytest.mark.parametrize("value", [0, 1])
def test_nothing_is_done_where_nothing_or_all_is_missing(value):
    image = np.full((40, 50, 3), 200, np.uint8)
    mask = np.full((40, 50), value, np.uint8)
    filled, left = continue_smooth(image, mask)
    np.testing.assert_array_equal(filled, image)
    np.testing.assert_array_equal(left, mask)
