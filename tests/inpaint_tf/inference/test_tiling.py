"""Boxes cover every hole, do not overlap, are as small as asked for, and save work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint_tf.inference.tiling import Box, cover


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    mask = np.zeros((8 * height, 8 * width), "uint8")
    for _ in range(draw(st.integers(0, 5))):
        top, left = draw(st.integers(0, 8 * height - 1)), draw(st.integers(0, 8 * width - 1))
        mask[top : top + draw(st.integers(1, 60)), left : left + draw(st.integers(1, 60))] = 1
    return mask


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(masks(), st.sampled_from([0, 8, 40]), st.sampled_from([64, 2000, 10**6]))
def test_boxes_cover_the_holes(mask, margin, most):
    boxes = cover(mask, margin, most)
    covered = np.zeros(mask.shape, int)
    for box in boxes:
        covered[box.slices] += 1
        assert all(edge % 8 == 0 for edge in box)
        assert mask[box.slices].any()
        assert box.grown(margin, *mask.shape).area <= most or box.area == 64
    assert covered.max(initial=0) <= 1
    assert (covered >= mask).all()


def test_nothing_missing_needs_no_box():
    assert cover(np.zeros((64, 64)), 16, 10**6) == []


def test_distant_holes_have_boxes_of_their_own():
    mask = np.zeros((800, 800))
    mask[8:20, 8:20] = mask[700:710, 760:790] = 1
    assert cover(mask, 16, 10**6) == [Box(8, 8, 24, 24), Box(696, 760, 712, 792)]


def test_near_holes_share_a_box():
    mask = np.zeros((800, 800))
    mask[8:16, 8:16] = mask[8:16, 32:40] = 1
    assert cover(mask, 64, 10**6) == [Box(8, 8, 16, 40)]


def test_a_scattered_mask_takes_no_time():
    mask = np.random.default_rng(0).random((1024, 1024)) > 0.999
    boxes = cover(mask, 8, 10**6)
    assert 1 < len(boxes) < mask.sum()


def test_edges_are_on_the_grid():
    mask = np.zeros((96, 96))
    mask[20:21, 70:75] = 1
    assert cover(mask, 0, 10**6, grid=16) == [Box(16, 64, 32, 80)]


@pytest.mark.parametrize("margin", [0, 16])
def test_within_is_where_the_box_lies_in_its_margin(margin):
    pixels = np.arange(64 * 48).reshape(64, 48)
    box = Box(8, 16, 24, 48)
    outer = box.grown(margin, 64, 48)
    np.testing.assert_array_equal(
        pixels[outer.slices][box.within(outer).slices], pixels[box.slices]
    )
    assert box.scaled(0.25) == Box(2, 4, 6, 12)
