"""Rectangles that cover the holes of a picture, each small enough to be worked on at once."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Cells: TypeAlias = npt.NDArray[np.bool_]


class Box(NamedTuple):
    """A rectangle of pixels; `bottom` and `right` are beyond it."""

    top: int
    left: int
    bottom: int
    right: int

    def grown(self, margin: int, height: int, width: int) -> Box:
        """Return the box with a margin all around, within a picture of this size."""
        return Box(
            max(self.top - margin, 0),
            max(self.left - margin, 0),
            min(self.bottom + margin, height),
            min(self.right + margin, width),
        )

    def within(self, outer: Box) -> Box:
        """Return the box in what is cut out by `outer`."""
        return Box(
            self.top - outer.top,
            self.left - outer.left,
            self.bottom - outer.top,
            self.right - outer.left,
        )

    def scaled(self, factor: float) -> Box:
        """Return the box in a picture so many times as large, where its edges are whole."""
        return Box(*(int(edge * factor) for edge in self))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def area(self) -> int:
        """Its pixels."""
        return (self.bottom - self.top) * (self.right - self.left)


def cover(mask: npt.NDArray[Any], margin: int, most: int, grid: int = 8) -> list[Box]:
    """Cover the missing pixels of a picture with boxes.

    Args:
        mask: `(H, W)`, above 0 where missing; H and W are multiples of the grid.
        margin: pixels around a box that are worked on with it; a multiple of the grid.
        most: pixels that a box may have with its margin; one step of the grid may have more.
        grid: what all edges are multiples of, because networks halve pictures several times.

    Returns:
        Boxes that do not overlap. One is split where that saves work, and where it is too large.
    """
    height, width = (side // grid for side in mask.shape)
    blocks = np.asarray(mask > 0).reshape(height, grid, width, grid)
    cells = np.asarray(blocks.any(axis=(1, 3)))
    margin, most = margin // grid, most // grid**2

    def work(*boxes: Box) -> int:
        return sum(box.grown(margin, height, width).area for box in boxes)

    boxes, done = [_bound(cells, Box(0, 0, height, width))] if cells.any() else [], []
    while boxes:
        box = boxes.pop()
        splits = [[_bound(cells, part) for part in _divide(box, *gap)] for gap in _gaps(cells, box)]
        split = min(splits, key=lambda parts: work(*parts), default=[box])
        if work(*split) < work(box):
            boxes += split
        elif work(box) > most and box.area > 1:
            halves = _halve(box)
            boxes += [_bound(cells, half) for half in halves if cells[half.slices].any()]
        else:
            done.append(box)
    return sorted(box.scaled(grid) for box in done)


def _bound(cells: Cells, box: Box) -> Box:
    """Return the smallest box around the missing pixels in a box that has some."""
    inside = cells[box.slices]
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    top, left = box.top + int(rows[0]), box.left + int(columns[0])
    return Box(top, left, box.top + int(rows[-1]) + 1, box.left + int(columns[-1]) + 1)


def _gaps(cells: Cells, box: Box) -> list[tuple[int, int]]:
    """Return the axis and place of the widest gap between holes along each axis that has one."""
    inside = cells[box.slices]
    found = []
    for axis in (0, 1):
        lines = np.flatnonzero(inside.any(1 - axis))
        gaps = np.diff(lines)
        if gaps.max(initial=1) > 1:
            found.append((axis, box[axis] + int(lines[gaps.argmax()]) + 1))
    return found


def _halve(box: Box) -> tuple[Box, Box]:
    """Divide a box in the middle of its longer side."""
    sides = (box.bottom - box.top, box.right - box.left)
    longer = int(sides[1] > sides[0])
    return _divide(box, longer, box[longer] + sides[longer] // 2)


def _divide(box: Box, axis: int, at: int) -> tuple[Box, Box]:
    """Divide a box at a place along an axis."""
    first, second = list(box), list(box)
    first[axis + 2] = second[axis] = at
    return Box(*first), Box(*second)
