"""Contextual attention without patches ("Gram and shift"). Runs on every Keras backend.

A score map has one row for each foreground cell and one column for each background cell. Comparing
patches, fusing and pasting move by the same offset in both feature maps. In the score map such a
move is a step along a diagonal. Its length is one row of cells if the maps are flattened row by row
and the offset is one image row, and one column of cells if they are flattened column by column and
the offset is one image column. So all operations are sums along diagonals of the flat score map,
which is transposed between the two layouts.
"""

from __future__ import annotations

import itertools
from typing import Any

from keras import ops

Size = tuple[Any, Any]


def scores(foreground: Any, background: Any, norm: Any, patch_size: int, fuse_size: int) -> Any:
    """Compare all patches.

    The inner product of two patches is the sum of the inner products of corresponding pixels, which
    are entries of one Gram matrix.

    Args:
        foreground: `(B, h', w', C)`.
        background: `(B, H', W', C)`.
        norm: norms of the background patches, `(B, H', W')`.
        patch_size: odd side of the patches.
        fuse_size: odd length of the diagonals along which scores are added.

    Returns:
        Scores `(B, h' w', H' W')`, flattened row by row.
    """
    front, back = ops.shape(foreground)[1:3], ops.shape(background)[1:3]
    gram = ops.matmul(_by_columns(foreground), ops.transpose(_by_columns(background), (0, 2, 1)))
    total = _sum_diagonals(gram, patch_size, step=(front[0], back[0]))
    total = _turn(total, front[::-1], back[::-1])
    total = _sum_diagonals(total, patch_size, step=(front[1], back[1]))
    total = total / ops.reshape(norm, (-1, 1, back[0] * back[1]))
    if fuse_size == 1:
        return total
    # In a flat map the last pixel of a row is a neighbor of the first of the next row, as in the
    # published code.
    total = _sum_diagonals(total, fuse_size, step=(1, 1))
    total = _sum_diagonals(_turn(total, front, back), fuse_size, step=(1, 1))
    return _turn(total, front[::-1], back[::-1])


def paste(attention: Any, front: Size, background: Any, rate: int) -> Any:
    """Paste the attended patches of the full background and add where they overlap.

    Along each axis an output pixel is covered by two patches: that of its own cell and that of the
    nearer neighbor cell. Their values come from background cells that are one diagonal step apart.
    So all output pixels at one position inside their cells are one product: (attention + attention
    shifted along the diagonal) times the background pixels at that position.

    Args:
        attention: `(B, h' w', H' W')`, flattened row by row.
        front: size of the foreground, (h', w').
        background: `(B, H, W, C)` with `H' = ceil(H / rate)`.
        rate: stride of the patches, whose side is `2 rate`.

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

    # The pixels at each position inside their cells, flattened column by column.
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
    """Flatten a map `(B, h, w, C)` column by column: `(B, w h, C)`."""
    batch, height, width, channels = ops.shape(features)
    turned = ops.transpose(features, (0, 2, 1, 3))
    return ops.reshape(turned, (batch, height * width, channels))


def _turn(scores: Any, front: Size, back: Size) -> Any:
    """Convert a flat score map between the layouts by rows and by columns.

    `front` and `back` are the (lines, cells in a line) of both maps in the present layout.
    """
    shape = ops.shape(scores)
    split = ops.reshape(scores, (shape[0], *front, *back))
    return ops.reshape(ops.transpose(split, (0, 2, 1, 4, 3)), shape)


def _sum_diagonals(scores: Any, length: int, step: Size) -> Any:
    """Add to each score those within `length // 2` steps in both directions, zero outside."""
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
            # The gradient of a slice is a pad. That of indexing is far slower on a CPU.
            total = total + ops.slice(padded, start, (batch, rows, columns))
    return total


def _add_neighbour(attention: Any, before: bool, step: Size) -> Any:
    """Add to each entry the one that is a diagonal step before it (or after it)."""
    batch, rows, columns = ops.shape(attention)
    kept = (batch, rows - step[0], columns - step[1])
    start = (0, 0, 0) if before else (0, *step)
    pads = [(size, 0) if before else (0, size) for size in step]
    return attention + ops.pad(ops.slice(attention, start, kept), ((0, 0), *pads))
