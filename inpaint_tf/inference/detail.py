"""Detail: the fine structure of a photograph, added to fills that are smoother than it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.inference.tiling import Box

UInt8: TypeAlias = npt.NDArray[np.uint8]
Float: TypeAlias = npt.NDArray[np.float32]
Bool: TypeAlias = npt.NDArray[np.bool_]
Int: TypeAlias = npt.NDArray[np.intp]

# Chosen on photographs of ImageNet and Places2 (docs/results/weights.md, "Detail").
SIGMA = 3.0  # pixels of the Gaussian: what it removes is detail
AMOUNT = 0.8
RAMP = 8  # pixels from the edge of a hole to where all of the amount is added
CELL = 8  # pixels a side of a cell, whose detail comes from one place
SHIFTS = 12  # different shifts in all, from cells to the places of their detail
ALIKE = 4  # grey levels that do not matter between these shifts: the most frequent one is taken
TOLERANCE = 6  # grey levels by which a place may be less similar than the best one

MARGIN = 16  # cells around a box that are searched
# Pixels from the edge to the middle of a hole: above each of them, cells are twice as large.
BOUNDS = (CELL * MARGIN * 2 ** np.arange(12)).astype(np.float32)
BOX = 32  # cells a side of a box, where all holes together are too large for one
MOST = (BOX + 2 * MARGIN) ** 2  # cells of a box with its margin
# Twelve colors of a cell are compared, in whole steps of a sixteenth of a grey level: sums of costs
# are exact, and an exported graph chooses the same shifts.
STEPS = 16
COLORS = 12
UNIT = COLORS * STEPS  # the cost of a cell that differs by one grey level
NEVER = 1000 * UNIT  # the cost of a shift that leads to no known cell: more than any other


def add_detail(filled: UInt8, mask: UInt8) -> UInt8:
    """Give the holes of a filled photograph the detail of places that look alike.

    Detail is what a Gaussian removes. Each cell of 8x8 missing pixels takes the detail of known
    pixels whose colors, without it, are nearly those of the fill. There are few different shifts,
    so that neighbors often share one and texture continues over many cells. Detail fades in from
    the edge of the hole. In holes more than 256 pixels wide, cells and Gaussian grow with the
    width.

    Args:
        filled: photograph with its holes filled, uint8 of shape (H, W, 3).
        mask: 1 where it was missing, uint8 of shape (H, W).

    Returns:
        uint8 of shape (H, W, 3); known pixels as in `filled`. Where too little is known to take
        detail from, the fill stays as it is.

    Reference:
        Shifts that few of all cover a picture with: He and Sun, "Statistics of Patch Offsets for
        Image Completion", 2012. Residuals of known places for a fill that is too smooth: Yi et
        al., "Contextual Residual Aggregation for Ultra High-Resolution Image Inpainting", 2020.
    """
    detailed = filled.copy()
    if mask.all() or not mask.any():
        return detailed
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    cell = CELL * 2 ** int((depth.max() > BOUNDS).sum())
    height, width = mask.shape
    beyond = ((0, -height % cell), (0, -width % cell))
    picture = np.pad(filled, (*beyond, (0, 0)), mode="edge")
    missing, known = (np.pad(mask == value, beyond) for value in (1, 0))
    for box in _boxes(missing, cell):
        outer = box.grown(MARGIN * cell, *missing.shape)
        hole = np.zeros(missing[outer.slices].shape, bool)
        hole[box.within(outer).slices] = missing[box.slices]
        crops = (picture[outer.slices], hole, known[outer.slices])
        inner = Box(box.top, box.left, min(box.bottom, height), min(box.right, width))
        added = share_at(depth[inner.slices]) * _detail(*crops, cell)[inner.within(outer).slices]
        pixels = np.rint(filled[inner.slices] + added).clip(0, 255).astype(np.uint8)
        np.copyto(detailed[inner.slices], pixels, where=mask[inner.slices][..., None] == 1)
    return detailed


def share_at(depth: Any, minimum: Callable[..., Any] = np.minimum) -> Any:
    """Return the share of the detail that is added so many pixels inside a hole, `(H, W, 1)`."""
    return minimum(depth / RAMP, 1.0)[..., None] * AMOUNT


def _boxes(missing: npt.NDArray[np.bool_], cell: int) -> list[Box]:
    """Return one box around all holes if it has few enough cells, else some of `BOX` cells."""
    height, width = missing.shape
    rows, columns = (np.flatnonzero(missing.any(axis)) // cell * cell for axis in (1, 0))
    whole = Box(int(rows[0]), int(columns[0]), int(rows[-1]) + cell, int(columns[-1]) + cell)
    if whole.grown(MARGIN * cell, height, width).area <= MOST * cell**2:
        return [whole]
    side = BOX * cell
    boxes = [
        Box(top, left, min(top + side, whole.bottom), min(left + side, whole.right))
        for top in range(whole.top, whole.bottom, side)
        for left in range(whole.left, whole.right, side)
    ]
    return [box for box in boxes if missing[box.slices].any()]


def _detail(picture: UInt8, hole: Bool, known: Bool, cell: int) -> Float:
    """Return the detail of holes, `(H, W, 3)`: what is known elsewhere, moved there."""
    levels = picture.astype(np.float32)
    sigma = SIGMA * cell / CELL
    smooth = np.asarray(
        cv2.GaussianBlur(levels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32
    )
    holes = np.asarray(_cells(hole, cell).any(axis=-1))
    sources = np.asarray(_cells(known, cell).all(axis=-1))
    if not sources.any():
        return np.zeros_like(levels)
    cells, shifts = _shifts(_quarters(smooth, cell), holes, sources)
    return _moved((levels - smooth) * known[..., None], known, cells * cell, shifts * cell, cell)


def _cells(pixels: Bool, cell: int) -> Bool:
    """Return what is in each cell, `(h, w, cell * cell)`."""
    height, width = (side // cell for side in pixels.shape)
    parts = pixels.reshape(height, cell, width, cell).swapaxes(1, 2)
    return parts.reshape(height, width, -1)


def _quarters(smooth: Float, cell: int) -> Float:
    """Return the colors of the four quarters of each cell, in steps, `(h, w, 12)`."""
    height, width = (side // cell for side in smooth.shape[:2])
    halves = cv2.resize(smooth, (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
    parts = np.asarray(halves, np.float32).reshape(height, 2, width, 2, 3).swapaxes(1, 2)
    return np.rint(parts.reshape(height, width, COLORS) * STEPS)


def _shifts(colors: Float, holes: Bool, sources: Bool) -> tuple[Int, Int]:
    """Return the cells of the holes, and the shift of each to a similar known one, `(N, 2)` both.

    Cells that none of the chosen shifts leads to a known cell are left out.
    """
    here, there = np.argwhere(holes), np.argwhere(sources)
    # A shift as one number, counted from the one that leads furthest up and to the left.
    furthest = np.array(holes.shape) - 1
    line = 2 * holes.shape[1] - 1
    ways = (there - here[:, None] + furthest) @ (line, 1)
    found = np.unique(ways)
    costs = np.full((len(here), len(found)), NEVER, np.float32)
    palette = colors[sources]
    for cost, color, way in zip(costs, colors[holes], np.searchsorted(found, ways), strict=True):
        cost[way] = np.abs(palette - color).sum(axis=1)
    kept = _covering(costs)
    few = costs[:, kept]
    best = (few <= few.min(axis=1, keepdims=True) + ALIKE * UNIT).argmax(axis=1)
    reached = costs[np.arange(len(here)), kept[best]] < NEVER
    shifts = np.stack(np.divmod(found[kept[best]], line), axis=1) - furthest
    return here[reached], shifts[reached]


def _covering(costs: Float) -> Int:
    """Return columns such that most rows have one nearly as low as their lowest, the best first."""
    gains = np.maximum(costs.min(axis=1, keepdims=True) + TOLERANCE * UNIT - costs, 0)
    kept, covered = [], np.zeros((len(gains), 1), np.float32)
    for _ in range(min(SHIFTS, gains.shape[1])):
        kept.append(int(np.maximum(gains - covered, 0).sum(axis=0).argmax()))
        covered = np.maximum(covered, gains[:, kept[-1:]])
    return np.array(kept)


def _moved(detail: Float, known: Bool, cells: Int, shifts: Int, cell: int) -> Float:
    """Return detail `(H, W, 3)` moved by shifts into cells, each overlapping its neighbors by half.

    `cells` and `shifts` are in pixels, `(N, 2)`; `detail` is 0 where it is not known.
    """
    half, side = cell // 2, 2 * cell
    rise = (np.arange(side) + 1) / (cell + 1)
    tent = np.outer(*(np.minimum(np.minimum(rise, rise[::-1]), 1),) * 2).astype(np.float32)
    around = ((half, half), (half, half))
    weight = np.pad(known.astype(np.float32), around)
    detail = np.pad(detail, (*around, (0, 0)))
    moved, weights = np.zeros_like(detail), np.zeros_like(weight)
    for (row, column), (down, right) in zip(cells, shifts, strict=True):
        place = (slice(row, row + side), slice(column, column + side))
        source = tuple(slice(start, start + side) for start in (row + down, column + right))
        share = tent * weight[source]
        moved[place] += share[..., None] * detail[source]
        weights[place] += share
    moved /= np.maximum(weights, np.float32(1e-6))[..., None]
    return moved[half:-half, half:-half]
