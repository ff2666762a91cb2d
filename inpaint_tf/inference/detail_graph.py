"""Detail in `keras.ops`, for exported graphs: what `add_detail` computes in NumPy and OpenCV."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from inpaint_tf.inference.detail import (
    ALIKE,
    BOUNDS,
    CELL,
    NEVER,
    SHIFTS,
    SIGMA,
    STEPS,
    TOLERANCE,
    UNIT,
)


def cell_size(depth: Any) -> Any:
    """Return the side of a cell for holes whose middle is so many pixels from what is known."""
    return CELL * 2 ** ops.sum(ops.cast(depth > BOUNDS, "int32"))


def find_detail(picture: Any, hole: Any, known: Any, cell: Any) -> Any:
    """Return the detail of holes: that of known places, moved there.

    Args:
        picture: grey levels `(H, W, 3)`; the sides are multiples of the cell's.
        hole: where detail is wanted, `(H, W)` bool.
        known: where it may come from, `(H, W)` bool.
        cell: pixels a side of a cell.

    Returns:
        `(H, W, 3)` float32; 0 where nothing was found.
    """
    levels, known = ops.cast(picture, "float32"), ops.cast(known, "float32")
    smooth = _blurred(levels, ops.cast(cell, "float32") * (SIGMA / CELL))
    holes = ops.max(_cells(ops.cast(hole, "float32")[..., None], cell), axis=-1) > 0
    shifts, uses = _shifts(_quarters(smooth, cell), holes, known_cells(known, cell))
    return _moved((levels - smooth) * known[..., None], known, shifts, uses, cell)


def known_cells(known: Any, cell: Any) -> Any:
    """Return which cells of `(H, W)` are known as a whole, `(h, w)` bool."""
    return ops.min(_cells(ops.cast(known, "float32")[..., None], cell), axis=-1) > 0


def _blurred(levels: Any, sigma: Any) -> Any:
    """Return levels `(H, W, 3)` after a Gaussian, as OpenCV's of floats with BORDER_REFLECT."""
    radius = ops.round(4 * sigma)
    for equation, axis in (("ij,jwc->iwc", 0), ("ij,hjc->hic", 1)):
        size = ops.shape(levels)[axis]
        place = ops.arange(size, dtype="float32")
        # Each pixel, and its mirror images on both sides.
        periods = 2 * ops.cast(size, "float32") * np.array([[-1], [0], [1]], np.float32)
        images = ops.concatenate([place + periods, periods - 1 - place])
        distance = images[:, None] - place[:, None]
        weights = ops.exp(-(distance**2) / (2 * sigma**2))
        weights = ops.sum(ops.where(ops.abs(distance) <= radius, weights, 0.0), axis=0)
        levels = ops.einsum(equation, weights / ops.sum(weights, axis=1, keepdims=True), levels)
    return levels


def _cells(values: Any, cell: Any) -> Any:
    """Return what is in each cell of `(H, W, C)`: `(h, w, cell * cell * C)`."""
    height, width, channels = ops.shape(values)
    parts = ops.reshape(values, (height // cell, cell, width // cell, cell, channels))
    parts = ops.transpose(parts, (0, 2, 1, 3, 4))
    return ops.reshape(parts, (height // cell, width // cell, cell * cell * channels))


def _quarters(smooth: Any, cell: Any) -> Any:
    """Return the colors of the four quarters of each cell, in steps, `(h, w, 12)`."""
    half = cell // 2
    height, width, channels = ops.shape(smooth)
    parts = ops.reshape(smooth, (height // half, half, width // half, half, channels))
    return ops.round(_cells(ops.mean(parts, axis=(1, 3)), 2) * STEPS)


def _shifts(colors: Any, holes: Any, sources: Any) -> tuple[Any, Any]:
    """Choose shifts from the cells of the holes to known ones that are similar.

    Returns:
        Shifts in cells, `(SHIFTS, 2)`, and which cells use each of them, `(h, w, SHIFTS)` of 0 and
        1; cells that no shift leads to a known cell use none.
    """
    here, costs = _costs(colors, holes, sources)
    gains = ops.maximum(ops.min(costs, axis=1, keepdims=True) + TOLERANCE * UNIT - costs, 0.0)
    order = ops.arange(SHIFTS, dtype="int32")

    def keep(index: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        """Keep the shift that most cells gain by, beside those that are kept already."""
        kept, covered = state
        best = ops.argmax(ops.sum(ops.maximum(gains - covered, 0.0), axis=0))
        covered = ops.maximum(covered, ops.take(gains, best[None], axis=1))
        return ops.where(order == index, ops.cast(best, "int32"), kept), covered

    start = ops.zeros_like(order), ops.zeros_like(gains[:, :1])
    columns, _ = ops.fori_loop(0, SHIFTS, keep, start)
    few = ops.take(costs, columns, axis=1)
    alike = few <= ops.min(few, axis=1, keepdims=True) + ALIKE * UNIT
    first = ops.min(ops.where(alike, order, SHIFTS), axis=1, keepdims=True)
    uses = ops.cast((first == order) & (few < NEVER), "float32")
    height, width = ops.shape(holes)
    uses = ops.scatter(here[:, None], uses, (height * width, SHIFTS))
    line = 2 * width - 1
    shifts = ops.stack([columns // line - (height - 1), columns % line - (width - 1)], axis=1)
    return shifts, ops.reshape(uses, (height, width, SHIFTS))


def _costs(colors: Any, holes: Any, sources: Any) -> tuple[Any, Any]:
    """Return the cells of the holes, `(N,)`, and how unlike them each shift's cell is, `(N, S)`.

    The S shifts are all that there are between cells, line by line, that furthest up and to the
    left first.
    """
    height, width, channels = ops.shape(colors)
    here = ops.cast(ops.nonzero(ops.reshape(holes, (-1,)))[0], "int32")
    own = ops.take(ops.reshape(colors, (-1, channels)), here, axis=0)
    pairs = zip(ops.unstack(colors, axis=-1), ops.unstack(own, axis=-1), strict=True)
    costs = sum(ops.abs(color - mine[:, None, None]) for color, mine in pairs)
    costs = ops.where(sources, costs, float(NEVER))
    # A line and a column beyond the last stand for all places outside.
    costs = ops.pad(costs, ((0, 0), (0, 1), (0, 1)), constant_values=float(NEVER))
    rows = _places(here // width - (height - 1), 2 * height - 1, height)
    columns = _places(here % width - (width - 1), 2 * width - 1, width)
    costs = ops.transpose(_lines(ops.transpose(costs, (0, 2, 1)), columns), (0, 2, 1))
    return here, ops.reshape(_lines(costs, rows), (-1, (2 * height - 1) * (2 * width - 1)))


def _lines(maps: Any, places: Any) -> Any:
    """Return the lines of maps `(N, h, w)` at places `(N, M)` of their own: `(N, M, w)`."""
    count, height, width = ops.shape(maps)
    index = ops.arange(count, dtype="int32")[:, None] * height + places
    return ops.take(ops.reshape(maps, (count * height, width)), index, axis=0)


def _places(starts: Any, count: Any, size: Any) -> Any:
    """Return so many places from each start on, `(N, count)`; all that are outside are `size`."""
    places = starts[:, None] + ops.arange(count, dtype="int32")
    return ops.where((places >= 0) & (places < size), places, size)


def _moved(detail: Any, known: Any, shifts: Any, uses: Any, cell: Any) -> Any:
    """Return detail moved by the shifts into the cells that use them, overlapping by half."""
    height, width = ops.shape(known)
    rows, columns = (_tents(size, cell) for size in (height, width))
    content = ops.concatenate([detail, known[..., None]], axis=-1)
    padded = ops.reshape(ops.pad(content, ((0, 1), (0, 1), (0, 0))), (-1, 4))
    starts = shifts * cell
    down, across = (
        _places(starts[:, axis], size, size) for axis, size in enumerate((height, width))
    )

    def add(index: Any, total: Any) -> Any:
        """Add what one shift moves, which would take much memory for all of them at once."""
        use = ops.take(uses, index, axis=-1)
        share = ops.matmul(ops.matmul(rows, use), ops.transpose(columns))
        lines, places = (ops.take(each, index, axis=0) for each in (down, across))
        moved = ops.take(padded, lines[:, None] * (width + 1) + places, axis=0)
        return total + share[..., None] * moved

    total = ops.fori_loop(0, SHIFTS, add, ops.zeros_like(content))
    return total[..., :3] / ops.maximum(total[..., 3:], 1e-6)


def _tents(size: Any, cell: Any) -> Any:
    """Return the weight of each cell, twice as wide as it is, at each pixel: `(size, cells)`."""
    place, cell = ops.arange(size // cell, dtype="float32"), ops.cast(cell, "float32")
    middle = (place + 0.5) * cell - 0.5
    distance = ops.abs(ops.arange(size, dtype="float32")[:, None] - middle)
    return ops.maximum(cell + 0.5 - distance, 0.0) / (cell + 1)
