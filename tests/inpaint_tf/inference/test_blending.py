"""Blending: brightness and color are fitted, nothing is shifted, and any hole will do."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_holes import HEIGHT, HOLES, WIDTH, boxes

from inpaint_tf.inference.blending import poisson_blend

OFFSET = (30, -20, 15)


def smooth_photograph() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    red = 100 + 40 * np.sin(x / 40) + 20 * np.cos(y / 30)
    green = 120 + 40 * np.sin((x + y) / 50)
    blue = 110 + 50 * np.cos(x / 60 - y / 70)
    return np.rint(np.stack([red, green, blue], axis=-1)).astype(np.uint8)


cases = pytest.mark.parametrize("mask", HOLES.values(), ids=HOLES)


def error(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.abs(picture.astype(int) - smooth_photograph())[mask == 1]


def offset_fill(mask: np.ndarray) -> np.ndarray:
    photograph = smooth_photograph()
    return np.where(mask[..., None] == 1, photograph + np.int16(OFFSET), photograph).astype(
        np.uint8
    )


@cases
def test_a_constant_error_of_the_fill_vanishes(mask: np.ndarray) -> None:
    filled = offset_fill(mask)
    assert error(filled, mask).mean() > 20
    blended = poisson_blend(filled, mask)
    assert error(blended, mask).mean() < 2
    assert error(blended, mask).max() <= 8
    np.testing.assert_array_equal(blended[mask == 0], filled[mask == 0])


@cases
def test_a_perfect_fill_hardly_changes(mask: np.ndarray) -> None:
    blended = poisson_blend(smooth_photograph(), mask)
    assert error(blended, mask).mean() < 1.6
    assert np.percentile(error(blended, mask), 95) <= 3


@pytest.mark.parametrize("corner", [(20, 30), (21, 31), (0, 30), (60, 0), (59, 91)])
@pytest.mark.parametrize("size", [(60, 80), (61, 79)])
def test_details_stay_where_they_are(corner: tuple[int, int], size: tuple[int, int]) -> None:
    # Noise correlates with itself at no shift but zero.
    mask = boxes((*corner, *size))
    noise = np.random.default_rng(0).integers(-25, 26, (HEIGHT, WIDTH, 1))
    noise = np.where(cv2.erode(mask, np.ones((9, 9)))[..., None] == 1, noise, 0)
    photograph = smooth_photograph()
    filled = np.clip(photograph + noise + 20 * mask[..., None], 0, 255).astype(np.uint8)
    detail = poisson_blend(filled, mask) - photograph.astype(int)
    np.testing.assert_allclose(
        detail[mask == 1], np.broadcast_to(noise, detail.shape)[mask == 1], atol=4
    )


def test_a_hole_does_not_depend_on_one_far_away() -> None:
    one, two = boxes((10, 10, 40, 40)), boxes((60, 100, 40, 50))
    together = poisson_blend(offset_fill(one | two), one | two)
    np.testing.assert_array_equal(
        together[one == 1], poisson_blend(offset_fill(one), one)[one == 1]
    )


def transpose(picture: np.ndarray) -> np.ndarray:
    return np.swapaxes(picture, 0, 1)


@pytest.mark.parametrize(
    "turn", [np.array, np.flipud, transpose, lambda p: transpose(np.flipud(p))]
)
def test_at_the_border_of_the_photograph_a_hole_is_free(turn: Callable[..., np.ndarray]) -> None:
    # An error that is linear between the known sides solves the equation; were the hole held at
    # the border, the error would stay there.
    mask = boxes((0, 40, 50, 80))
    linear = np.zeros((HEIGHT, WIDTH, 1), int)
    linear[:, 40:120, 0] = np.linspace(-40, 40, 80)
    filled = (smooth_photograph() + linear * mask[..., None]).astype(np.uint8)
    pair = (np.ascontiguousarray(turn(picture)) for picture in (filled, mask))
    left = poisson_blend(*pair) - turn(smooth_photograph()).astype(int)
    assert np.abs(left).max() <= 6


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, transpose])
def test_all_directions_are_alike(turn: Callable[[np.ndarray], np.ndarray]) -> None:
    mask = boxes((0, 40, 50, 60))
    filled = offset_fill(mask)
    turned = poisson_blend(*map(np.ascontiguousarray, (turn(filled), turn(mask))))
    difference = turned.astype(int) - turn(poisson_blend(filled, mask))
    assert np.abs(difference).max() <= 4


def test_where_nothing_is_known_the_fill_stays() -> None:
    filled = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    blended = poisson_blend(filled, np.ones((20, 30), np.uint8))
    np.testing.assert_array_equal(blended, filled)
    assert not np.shares_memory(blended, filled)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(8, 40), width=st.integers(8, 40), part=st.floats(0, 1), seed=st.integers(0)
)
def test_known_pixels_stay_and_inputs_are_left_alone(
    height: int, width: int, part: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    filled = rng.integers(0, 256, (height, width, 3), np.uint8)
    mask = cv2.dilate((rng.random((height, width)) < part / 9).astype(np.uint8), np.ones((3, 3)))
    before = filled.copy(), mask.copy()
    blended = poisson_blend(filled, mask)
    np.testing.assert_array_equal(blended[mask == 0], filled[mask == 0])
    np.testing.assert_array_equal(poisson_blend(filled, mask), blended)
    np.testing.assert_array_equal(filled, before[0])
    np.testing.assert_array_equal(mask, before[1])
