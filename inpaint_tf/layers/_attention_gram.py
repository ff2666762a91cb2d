"""Contextual attention that never builds a patch ("Gram and shift"). Runs on every Keras backend.

A score map has one row for each foreground cell and one column for each background cell. All that
the layer does with patches, whose pixels move together in both maps, are sums along diagonals of
such a map: a step of one image row is a diagonal of as many cells as a row has, a step of one
column is a diagonal of as many cells as a column has once both maps are laid out column by column.
So the map stays flat, and is turned from one layout to the other where the direction changes.
"""

from __future__ import annotations

import itertools
from typing import Any

from keras import ops

Size = tuple[Any, Any]


def scores(foreground: Any, background: Any, norm: Any, patch_size: int, fuse_size: int) -> Any:
    """Compare all patches: `(B, h' w', H' W')`, laid out row by row.

    The inner product of two patches is the sum of the inner products of the pixels that stand
    alike in them, and those are entries of one Gram matrix.

    Args:
        foreground: `(B, h', w', C)`.
        background: `(B, H', W', C)`.
        norm: `(B, H', W')`, of the background patches.
        patch_size: odd side of the patches.
        fuse_size: odd length of the diagonals over which scores are added.
    """
    front, back = ops.shape(foreground)[1:3], ops.shape(background)[1:3]
    gram = ops.matmul(_by_columns(foreground), ops.transpose(_by_columns(background), (0, 2, 1)))
    total = _sum_diagonals(gram, patch_size, step=(front[0], back[0]))
    total = _turn(total, front[::-1], back[::-1])
    total = _sum_diagonals(total, patch_size, step=(front[1], back[1]))
    total = total / ops.reshape(norm, (-1, 1, back[0] * back[1]))
    if fuse_size == 1:
        return total
    # Flattening makes the last pixel of a row a neighbour of the first of the next, as in the
    # published code.
    total = _sum_diagonals(total, fuse_size, step=(1, 1))
    total = _sum_diagonals(_turn(total, front, back), fuse_size, step=(1, 1))
    return _turn(total, front[::-1], back[::-1])


def paste(attention: Any, front: Size, background: Any, rate: int) -> Any:
    """Put the attended patches of the full background over each other.

    Every output pixel lies in two patches along each axis: that of its own cell and that of the
    nearer neighbour cell. What these two put there comes from background cells a diagonal step
    apart. So the pixels at one position inside their cells are one product of (attention + its
    diagonal shift) with the background pixels at that position in theirs.

    Args:
        attention: `(B, h' w', H' W')`, laid out row by row.
        front: (h', w').
        background: `(B, H, W, C)` with `H' = ceil(H / rate)`.
        rate: stride of the patches; their side is `2 rate`.

    Returns:
        `(B, rate h', rate w', C)`, sums of up to four patches.
    """
    batch, rows, columns, channels = ops.shape(background)
    back = (-(-rows // rate), -(-columns // rate))
    background = ops.pad(
        background, ((0, 0), (0, back[0] * rate - rows), (0, back[1] * rate - columns), (0, 0))
    )
    weights = {}
    for up in (True, False):
        both = _add_neighbour(attention, up, step=(front[1], back[1]))
        both = _turn(both, front, back)
        for left in (True, False):
            four = _add_neighbour(both, left, step=(front[0], back[0]))
            weights[up, left] = ops.cast(four, background.dtype)

    # The pixels at each position inside their cells, laid out column by column.
    sources = ops.reshape(background, (batch, back[0], rate, back[1], rate, channels))
    sources = ops.transpose(sources, (2, 4, 0, 3, 1, 5))
    sources = ops.reshape(sources, (rate * rate, batch, back[0] * back[1], channels))
    # A patch starts rate // 2 pixels before its cell.
    nearer_before = [position + rate // 2 < rate for position in range(rate)]
    pixels = [
        ops.matmul(weights[up, left], source)
        for (up, left), source in zip(
            itertools.product(nearer_before, repeat=2), ops.unstack(sources), strict=True
        )
    ]
    grid = ops.reshape(ops.stack(pixels, axis=1), (batch, rate, rate, front[1], front[0], channels))
    grid = ops.transpose(grid, (0, 4, 1, 3, 2, 5))
    return ops.reshape(grid, (batch, front[0] * rate, front[1] * rate, channels))


def _by_columns(features: Any) -> Any:
    """Lay a map `(B, h, w, C)` out column by column: `(B, w h, C)`."""
    batch, height, width, channels = ops.shape(features)
    turned = ops.transpose(features, (0, 2, 1, 3))
    return ops.reshape(turned, (batch, height * width, channels))


def _turn(scores: Any, front: Size, back: Size) -> Any:
    """Turn a score map of (lines, cells in a line) to the other layout."""
    shape = ops.shape(scores)
    split = ops.reshape(scores, (shape[0], *front, *back))
    return ops.reshape(ops.transpose(split, (0, 2, 1, 4, 3)), shape)


def _sum_diagonals(scores: Any, length: int, step: Size) -> Any:
    """Add to each score its neighbours at up to `length // 2` steps both ways; outside is zero."""
    reach = length // 2
    if reach == 0:
        return scores
    batch, rows, columns = ops.shape(scores)
    pads = [(reach * size, reach * size) for size in step]
    padded = ops.pad(scores, ((0, 0), *pads))
    total = scores
    for index in range(length):
        if index != reach:
            start = (0, index * step[0], index * step[1])
            # A slice's gradient is a pad; that of indexing is far slower on a CPU.
            total = total + ops.slice(padded, start, (batch, rows, columns))
    return total


def _add_neighbour(attention: Any, before: bool, step: Size) -> Any:
    """Add to each place the attention one step before (or after) it, along both axes at once."""
    batch, rows, columns = ops.shape(attention)
    kept = (batch, rows - step[0], columns - step[1])
    start = (0, 0, 0) if before else (0, *step)
    pads = [(size, 0) if before else (0, size) for size in step]
    return attention + ops.pad(ops.slice(attention, start, kept), ((0, 0), *pads))
