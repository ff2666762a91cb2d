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


def slow_shifts(
    colors: np.ndarray, holes: np.ndarray, sources: np.ndarray
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the shift of each cell that has one, chosen one by one in float64."""
    height, width = holes.shape
    here, there = (list(map(tuple, np.argwhere(each))) for each in (holes, sources))
    costs = {
        cell: {
            (place[0] - cell[0], place[1] - cell[1]): np.abs(
                np.float64(colors[place]) - colors[cell]
            ).sum()
            for place in there
        }
        for cell in here
    }
    gains = {
        cell: {
            shift: max(min(own.values()) + detail.TOLERANCE * detail.UNIT - cost, 0)
            for shift, cost in own.items()
        }
        for cell, own in costs.items()
    }
    every = itertools.product(range(1 - height, height), range(1 - width, width))
    shifts = sorted(shift for shift in every if any(shift in own for own in costs.values()))
    covered, kept = dict.fromkeys(here, 0.0), []
    for _ in range(detail.SHIFTS):
        more = [
            sum(max(gains[cell].get(shift, 0) - covered[cell], 0) for cell in here)
            for shift in shifts
        ]
        kept.append(shifts[int(np.argmax(more))])
        covered = {cell: max(covered[cell], gains[cell].get(kept[-1], 0)) for cell in here}
    chosen = {}
    for cell in here:
        usable = {shift: costs[cell][shift] for shift in kept if shift in costs[cell]}
        for shift, cost in usable.items():
            if cost <= min(usable.values()) + detail.ALIKE * detail.UNIT:
                chosen[cell] = shift
                break
    return chosen


@pytest.mark.parametrize("hole", [(3, 6, 2, 7), (0, 4, 0, 3), (0, 7, 4, 5)])
def test_shifts_are_those_of_the_slow_way(hole: tuple[int, int, int, int]) -> None:
    holes = np.zeros((7, 9), bool)
    holes[slice(*hole[:2]), slice(*hole[2:])] = True
    sources = ~holes
    sources[:, 0] = False
    colors = RNG.integers(0, 60 * detail.STEPS, (7, 9, 12)).astype(np.float32)
    cells, shifts = detail._shifts(colors, holes, sources)
    expected = slow_shifts(colors, holes, sources)
    assert dict(zip(map(tuple, cells), map(tuple, shifts), strict=True)) == expected
    assert all(sources[tuple(each)] for each in cells + shifts)


def test_moved_detail_is_a_mean_of_what_overlaps() -> None:
    cell = 4
    cells = np.array([(8, 8), (8, 12), (8, 16)])
    shifts = np.array([(-8, 0), (8, -4), (-4, 4)])
    known = np.ones((20, 24), bool)
    known[8:12, 8:20] = False
    fine = RNG.normal(size=(20, 24, 3)).astype(np.float32) * known[..., None]
    moved = detail._moved(fine, known, cells, shifts, cell)
    for y, x in np.argwhere(~known):
        total, weights = np.zeros(3), 0.0
        for begin, shift in zip(cells, shifts, strict=True):
            tents = [
                min(place - first + 3, first + 6 - place, cell + 1)
                for place, first in zip((y, x), begin, strict=True)
            ]
            source = (y + shift[0], x + shift[1])
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
            assert inside.mean(axis=0).std() > 3 * inside.std(axis=0).mean()


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


def test_holes_too_large_for_one_box_take_several(monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = stripes(704, 960)
    mask = np.zeros((704, 960), np.uint8)
    mask[20:60, 10:950] = mask[600:690, 500:540] = 1
    filled = smoothed(photograph, mask)
    boxes = detail._boxes(mask == 1, detail.CELL)
    assert len(boxes) > 1
    assert sum(int(mask[box.slices].sum()) for box in boxes) == mask.sum()
    for box in boxes:
        assert box.grown(detail.MARGIN * detail.CELL, *mask.shape).area <= detail.MOST * 64
    assert spread(add_detail(filled, mask), mask) > 0.5 * spread(photograph, mask)


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
