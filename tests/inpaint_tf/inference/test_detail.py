"""Detail: what is taken where agrees with the slow way, known pixels stay, any hole will do."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from odd_holes import HEIGHT, HOLES, WIDTH, boxes

from inpaint_tf.inference import detail
from inpaint_tf.inference.detail import add_detail

RNG = np.random.default_rng(0)
cases = pytest.mark.parametrize("mask", HOLES.values(), ids=HOLES)


def stripes(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A photograph of two textures: stripes on dark grey, and to the right noise on light."""
    y, x = np.mgrid[:height, :width]
    left = 80 + 20 * np.sin(x * 1.5)
    right = 180 + np.random.default_rng(1).normal(0, 15, x.shape)
    levels = np.where(x < width // 2, left, right)
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)[..., None].repeat(3, axis=-1)


def smoothed(photograph: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The photograph with holes that are filled as a network would, without detail."""
    return np.where(mask[..., None] == 1, cv2.GaussianBlur(photograph, (0, 0), 6), photograph)


def spread(picture: np.ndarray, mask: np.ndarray) -> float:
    """The standard deviation of what a Gaussian takes away, deep in the holes."""
    levels = picture.astype(np.float32)
    fine = levels - cv2.GaussianBlur(levels, (0, 0), detail.SIGMA)
    return float(fine[cv2.erode(mask, np.ones((25, 25), np.uint8)) == 1].std())


# Parity with the slow way.


def test_candidates_cost_what_the_cells_differ() -> None:
    holes = np.zeros((4, 5), bool)
    holes[1:3, 2:4] = True
    colors = RNG.uniform(0, 60, (4, 5, 12)).astype(np.float32)
    shifts, costs = detail._candidates(colors, holes, ~holes)
    for row, column in np.argwhere(holes):
        for label, (down, right) in enumerate(shifts):
            source = (row + down, column + right)
            inside = 0 <= source[0] < 4 and 0 <= source[1] < 5
            expected = detail._NEVER
            if inside and not holes[source]:
                expected = np.abs(np.float64(colors[source]) - colors[row, column]).mean()
            assert costs[row, column, label] == pytest.approx(expected, rel=1e-5)


def test_every_cell_keeps_a_shift_within_tolerance() -> None:
    holes = np.zeros((9, 9), bool)
    holes[3:6, 3:6] = True
    colors = RNG.uniform(0, 255, (9, 9, 12)).astype(np.float32)
    _, costs = detail._candidates(colors, holes, ~holes)
    for row, column in np.argwhere(holes):
        best = np.abs(colors[~holes] - colors[row, column]).mean(axis=-1).min()
        assert costs[row, column].min() <= best + detail.TOLERANCE


def test_labels_of_a_line_are_those_of_least_cost() -> None:
    costs = RNG.uniform(0, 20, (6, 1, 3)).astype(np.float32)
    every = np.array(list(itertools.product(range(3), repeat=6)))
    changes = (np.diff(every, axis=1) != 0).sum(axis=1)
    sums = costs[np.arange(6), 0, every].sum(axis=1) + detail.PENALTY * changes
    # Across the line there are no neighbors: there a cell adds its own costs alone.
    found = detail._along(costs, np.ones((6, 1), bool))
    back = detail._along(costs[::-1], np.ones((6, 1), bool))[::-1]
    labels = (found + back - costs).argmin(axis=-1)[:, 0]
    np.testing.assert_array_equal(labels, every[sums.argmin()])


def test_moved_detail_is_a_mean_of_what_overlaps() -> None:
    cell, holes = 4, np.zeros((5, 6), bool)
    holes[2, 2:5] = True
    shifts = np.zeros((5, 6, 2), int)
    shifts[2, 2], shifts[2, 3], shifts[2, 4] = (-8, 0), (8, -4), (-4, 4)
    known = ~holes.repeat(cell, axis=0).repeat(cell, axis=1)
    fine = RNG.normal(size=(20, 24, 3)).astype(np.float32) * known[..., None]
    moved = detail._moved(fine, known, holes, shifts, cell)
    for y, x in np.argwhere(~known):
        total, weights = np.zeros(3), 0.0
        for row, column in np.argwhere(holes):
            tents = [
                min(place - cell * index + 3, cell * index + 6 - place, cell + 1)
                for place, index in ((y, row), (x, column))
            ]
            source = (y + shifts[row, column, 0], x + shifts[row, column, 1])
            if min(tents) > 0 and 0 <= source[0] < 20 and 0 <= source[1] < 24 and known[source]:
                share = np.prod(tents)
                total, weights = total + share * np.float64(fine[source]), weights + share
        expected = total / weights if weights else np.zeros(3)
        np.testing.assert_allclose(moved[y, x], expected, rtol=1e-4, atol=1e-5)


# What it is for.


def test_a_hole_gets_the_texture_that_is_around_it() -> None:
    photograph = stripes()
    for place in ((30, 15, 60, 55), (30, 100, 60, 55)):
        mask = boxes(place)
        filled = smoothed(photograph, mask)
        detailed = add_detail(filled, mask)
        assert spread(filled, mask) < 0.2 * spread(photograph, mask)
        assert spread(detailed, mask) > 0.6 * spread(photograph, mask)
        # The stripes run on: they are vertical, so that columns differ and rows do not.
        if place[1] < 50:
            inside = detailed[45:75, 30:55, 0].astype(float)
            assert inside.mean(axis=0).std() > 5 * inside.std(axis=0).mean()


def test_a_smooth_photograph_stays_smooth() -> None:
    y, x = np.mgrid[:120, :171]
    photograph = np.stack([x, y + 60, 200 - y], axis=-1).astype(np.uint8)
    mask = boxes((30, 40, 60, 80))
    difference = np.abs(add_detail(photograph, mask).astype(int) - photograph)
    assert difference.max() <= 1


def test_a_wide_hole_takes_larger_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = detail._detail

    def noted(picture: np.ndarray, hole: np.ndarray, known: np.ndarray, cell: int) -> np.ndarray:
        asked.append((cell, picture.shape[0] * picture.shape[1] / cell**2))
        return original(picture, hole, known, cell)

    monkeypatch.setattr(detail, "_detail", noted)
    photograph = stripes(700, 900)
    mask = np.zeros((700, 900), np.uint8)
    mask[100:600, 100:700] = 1
    detailed = add_detail(smoothed(photograph, mask), mask)
    assert {cell for cell, _ in asked} == {16}
    assert max(cells for _, cells in asked) <= detail.MOST
    np.testing.assert_array_equal(detailed[mask == 0], photograph[mask == 0])
    assert spread(detailed, mask) > 0.5 * spread(photograph, mask)


# Whatever the hole.


@cases
def test_known_pixels_stay_and_the_result_is_the_same_again(mask: np.ndarray) -> None:
    filled = smoothed(stripes(), mask)
    before = filled.copy()
    detailed = add_detail(filled, mask)
    np.testing.assert_array_equal(filled, before)
    np.testing.assert_array_equal(detailed[mask == 0], filled[mask == 0])
    np.testing.assert_array_equal(add_detail(filled, mask), detailed)
    assert not np.shares_memory(detailed, filled)


@pytest.mark.parametrize("value", [0, 1])
def test_nothing_or_everything_missing_changes_nothing(value: int) -> None:
    filled = stripes()
    np.testing.assert_array_equal(
        add_detail(filled, np.full((HEIGHT, WIDTH), value, np.uint8)), filled
    )


def test_without_a_known_cell_the_fill_stays() -> None:
    mask = np.ones((40, 40), np.uint8)
    mask[::5] = 0
    filled = stripes(40, 40)
    np.testing.assert_array_equal(add_detail(filled, mask), filled)


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 50), st.integers(8, 50), st.floats(0.01, 0.9), st.integers(0, 99))
@example(34, 44, 0.0625, 2)  # a cell that none of the shifts leads to a known one
def test_any_size_and_any_mask(height: int, width: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    filled = rng.integers(0, 256, (height, width, 3), np.uint8)
    mask = (rng.random((height, width)) < share).astype(np.uint8)
    mask[: height // 2, : width // 2] = 1
    detailed = add_detail(filled, mask)
    assert detailed.dtype == np.uint8
    np.testing.assert_array_equal(detailed[mask == 0], filled[mask == 0])
