"""Contextual attention that never holds the whole score map. TensorFlow only.

The foreground is divided into tiles of cells. Each tile is compared with all background patches,
its scores are fused, and its patches are pasted, before the next tile. So memory is linear in the
size of the background. The backward pass computes each tile again.

As in `_attention_gram.py`, every operation on patches is a sum along diagonals of the score map of
a tile, which has a row for each cell and a column for each patch. In the flattened score map, a
step along a diagonal has a fixed length, so that such a sum is a moving average with a fixed stride
(`_average`). Zeros around both maps stop a step from wrapping around.

Fusing adds scores of consecutive cells, first in the order by rows, then in the order by columns.
There it does wrap around, as in the published code: the end of a line is followed by the start of
the next. In the order by columns, the row before the first row of the map is its last row, one
column further left. In the order by rows, the column before the first column is the last column,
one row further up. Such rows and columns are called virtual.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

# Score maps of a tile that are in memory at once, with four bytes a score. Measured processes use
# less than this estimate.
_MAPS = 6
# Side of a tile in cells. Larger tiles take more memory and are hardly faster.
_LARGEST_SIDE = 20


class Comparison(NamedTuple):
    """Parameters of comparing and pasting. They are arguments of `ContextualAttention`."""

    patch_size: int
    fuse_size: int
    softmax_scale: float
    rate: int
    reduction: int = 1
    return_attention: bool = True


def least_memory(patches: int, fuse_size: int, side: int = 1) -> int:
    """Return the bytes of the score maps of a tile of `side` x `side` cells."""
    return 4 * _MAPS * patches * (side + 2 * (fuse_size // 2)) ** 2


def most_memory(patches: int, fuse_size: int) -> int:
    """Return the bytes of the score maps of the largest tile."""
    return least_memory(patches, fuse_size, _LARGEST_SIDE)


def attend(
    foreground: Any,
    background: Any,
    full_background: Any,
    norm: Any,
    valid: Any,
    needed: Any,
    how: Comparison,
    memory: int | None,
    stream: type[Stream] | None = None,
) -> tuple[Any, Any]:
    """Compare all patches, and paste the attended ones and add where they overlap.

    Args:
        foreground: downsampled foreground, `(B, h', w', C)` float32.
        background: downsampled background, `(B, H', W', C)` float32.
        full_background: `(B, H, W, C)` with `H' = ceil(H / rate)`.
        norm: norms of the background patches, `(B, H', W')`.
        valid: 1 for valid background patches, else 0, `(B, H', W')`.
        needed: cells that are needed, `(B, h', w')` bool. Tiles without any are skipped.
        how: parameters of the comparison.
        memory: bytes for the score maps of a tile, or None for the largest tiles.
        stream: class that computes a tile: an approximation, or None for the exact one.

    Returns:
        `(B, rate h', rate w', C)`, sums of up to four patches, and the most attended background
        patch of each cell, `(B, h', w')` int32, 0 if it is not wanted. Both are 0 in skipped tiles.
    """

    def one_sample(sample: tuple[Any, ...]) -> tuple[Any, Any]:
        query, key, length, usable, wanted, source = sample
        front, back = tf.shape(query)[:2], tf.shape(key)[:2]
        usable = tf.reshape(usable, [-1])
        one = (stream or Stream)(how, front, back, usable, source.dtype)
        return one.run(one.sources(query, key, 1 / length, source), wanted, memory)

    return tf.map_fn(
        one_sample,
        (foreground, background, norm, valid, needed, full_background),
        fn_output_signature=(full_background.dtype, tf.int32),
        parallel_iterations=1,
    )


class Stream:
    """Computes the attention of one sample, tile by tile.

    `front` and `back` are the sizes of both maps, `usable` `(H' W',)` is 1 for valid background
    patches, and `dtype` is that of the pasted features.
    """

    def __init__(self, how: Comparison, front: Any, back: Any, usable: Any, dtype: Any) -> None:
        self.dtype = dtype
        self.how = how
        self.margin = how.patch_size // 2
        self.reach = how.fuse_size // 2
        self.wide = self.margin + self.reach
        self.front = front
        self.back = back
        self.usable = usable

    def sources(self, query: Any, key: Any, inverse_norm: Any, background: Any) -> tuple[Any, ...]:
        """Return the inputs of `tile`, given both maps, inverse norms and the full background."""
        margin = self.margin
        # Zeros between and around the rows.
        grid = tf.pad(key, [(margin, margin), (0, margin), (0, 0)])
        keys = tf.pad(tf.reshape(grid, (-1, key.shape[-1])), [(margin, 0), (0, 0)])
        return query, keys, inverse_norm, self.blocks(background)

    def blocks(self, background: Any) -> Any:
        """Divide the background into blocks, `((H' + 1) (W' + 1), rate^2 C)`.

        A patch consists of 2 x 2 blocks. The first block begins half a block before the image.
        """
        rate, channels = self.how.rate, background.shape[-1]
        before = rate // 2
        sizes = tf.unstack(tf.shape(background)[:2])
        pads = [(before, rate - before + -size % rate) for size in sizes]
        padded = tf.pad(background, [*pads, (0, 0)])
        height, width = tf.unstack(tf.shape(padded)[:2] // rate)
        blocks = tf.reshape(padded, (height, rate, width, rate, channels))
        return tf.reshape(tf.transpose(blocks, (0, 2, 1, 3, 4)), (-1, rate**2 * channels))

    def run(self, sources: tuple[Any, ...], wanted: Any, memory: int | None) -> tuple[Any, Any]:
        """Return the pasted features, `(rate h', rate w', C)`, and the most attended patches."""
        origin, counts, size = self.tiling(wanted, memory)
        kept = _tiles_with(wanted, origin, counts, size)

        @tf.custom_gradient
        def stream(*sources: Any) -> Any:
            def tile(index: Any) -> tuple[Any, Any]:
                return self.tile(origin + index * size, size, *sources)

            signature = (self.dtype, tf.int32)
            outputs = tf.map_fn(tile, kept, fn_output_signature=signature, parallel_iterations=1)

            def gradient(upstream: Any, _: Any) -> list[Any]:
                def add(totals: list[Any], each: tuple[Any, Any]) -> list[Any]:
                    index, upstream_of_tile = each
                    with tf.GradientTape() as tape:
                        tape.watch(sources)
                        pasted, _ = tile(index)
                    more = tape.gradient(pasted, sources, upstream_of_tile)
                    return [total + one for total, one in zip(totals, more, strict=True)]

                nothing = [tf.zeros_like(source) for source in sources]
                return tf.foldl(add, (kept, upstream), nothing, parallel_iterations=1)

            return outputs, gradient

        pasted, best = stream(*sources)
        pasted = tf.scatter_nd(kept, pasted, tf.concat([counts, tf.shape(pasted)[1:]], 0))
        best = tf.scatter_nd(kept, best, tf.concat([counts, size], 0))
        # Floats hold these indices exactly. On some processors, oneDNN prints a warning when it
        # transposes integers.
        best = tf.transpose(tf.cast(best, tf.float32), (0, 2, 1, 3))
        best = tf.cast(tf.reshape(best, counts * size), tf.int32)
        best = _placed(best[..., None], origin, self.front)[..., 0]
        return self._to_pixels(_join(pasted), origin), best

    def tiling(self, wanted: Any, memory: int | None) -> tuple[Any, Any, Any]:
        """Return the origin of the tiles, their count, and their size, as (rows, columns)."""
        side: Any = _LARGEST_SIDE
        if memory is not None:
            scores = tf.cast(tf.reduce_prod(self.back), tf.float32) * 4.0 * _MAPS
            affordable = tf.cast(tf.sqrt(memory / scores), tf.int32) - 2 * self.reach
            side = tf.clip_by_value(affordable, 1, side)
        origin, extent = _bounds(wanted)
        counts = -(-extent // side)
        return origin, counts, -(-extent // counts)

    def tile(
        self, corner: Any, size: Any, query: Any, keys: Any, inverse_norm: Any, blocks: Any
    ) -> tuple[Any, Any]:
        """Return the pasted blocks of a tile and the most attended patch of each cell.

        Returns:
            Blocks `(rows + 1, columns + 1, rate^2 C)`, which begin half a block above and left of
            the tile, and indices `(rows, columns)` int32.
        """
        scores = self._scores(corner, size, query, keys, inverse_norm)
        # The fused scores are means here, and sums in the definition.
        scale = self.how.softmax_scale * self.how.fuse_size**2
        attention = tf.nn.softmax(scores * (self.usable * scale)) * self.usable
        best = tf.reshape(self.best(attention), size)
        attention = tf.cast(attention * self.inside(corner, size), blocks.dtype)

        # A cell pastes 2 x 2 blocks: a step of one row and of one column in both maps. The zero
        # rows at the end make up for the entries that averaging drops.
        rows, columns = size[0], size[1]
        height, width = self.back[0], self.back[1]
        attention = tf.reshape(attention, (rows, columns, height, width))
        attention = tf.pad(attention, [(1, 4), (1, 0), (1, 0), (1, 0)])
        count, line = (height + 1) * (width + 1), width + 1
        weights = _average(tf.reshape(attention, [-1]), 2, count + 1)
        weights = _average(weights, 2, (columns + 1) * count + line)
        weights = tf.reshape(weights[: (rows + 1) * (columns + 1) * count], (-1, count))
        pasted = 4 * tf.matmul(weights, blocks)
        return tf.reshape(pasted, (rows + 1, columns + 1, blocks.shape[-1])), best

    def best(self, attention: Any) -> Any:
        """Return the most attended patch of each cell, `(cells,)`, or 0 if it is not wanted."""
        if self.how.return_attention:
            return tf.argmax(attention, -1, tf.int32)
        return tf.zeros(tf.shape(attention)[:1], tf.int32)

    def inside(self, corner: Any, size: Any) -> Any:
        """Return 1 for the cells of a tile that are in the foreground, else 0: `(cells, 1)`."""
        rows, columns = (corner[axis] + tf.range(size[axis]) < self.front[axis] for axis in (0, 1))
        return tf.cast(tf.reshape(rows[:, None] & columns, (-1, 1)), tf.float32)

    def _scores(self, corner: Any, size: Any, query: Any, keys: Any, inverse_norm: Any) -> Any:
        """Return the fused scores of a tile, as means: `(cells, H' W')`."""
        reach, patches = self.reach, tf.reduce_prod(self.back)
        rows = corner[0] + tf.range(-reach, size[0] + reach)
        columns = corner[1] + tf.range(-reach, size[1] + reach)
        scores = self._patch_scores(rows, columns, query, keys, inverse_norm)
        if not reach:
            return scores[: size[0] * size[1]]

        # In the order by rows, consecutive cells are neighbors in both flattened maps.
        length = 2 * reach + 1
        line = patches + 2 * reach
        scores = _average(
            tf.reshape(tf.pad(scores, [(0, 0), (reach, reach)]), [-1]), length, line + 1
        )
        count = tf.size(rows) * tf.size(columns)
        scores = tf.reshape(scores[: count * line], (tf.size(rows), tf.size(columns), line))
        scores = scores[:, : size[1], :patches]

        # In the order by columns, consecutive cells are one row of cells apart.
        exists = _in_order(rows[:, None], columns[reach : reach + size[1]], self.front)
        scores *= tf.cast(exists, tf.float32)[..., None]
        before, after = self._virtual(scores, -reach), self._virtual(scores, self.back[0])
        scores = tf.pad(tf.concat([before, scores, after], -1), [(0, 2), (0, 0), (0, 0)])
        line = patches + 2 * reach * self.back[1]
        scores = _average(tf.reshape(scores, [-1]), length, size[1] * line + self.back[1])
        scores = tf.reshape(scores[: size[0] * size[1] * line], (-1, line))
        return scores[:, :patches]

    def _patch_scores(
        self, rows: Any, columns: Any, query: Any, keys: Any, inverse_norm: Any
    ) -> Any:
        """Return the scores of cells, which may be virtual: `(rows x columns + some, H' W')`."""
        (height, width), margin, length = tf.unstack(self.front), self.margin, self.how.patch_size
        cells = (rows % height) * width + rows // height
        lines = _with_margins(rows, rows % height == 0, margin)
        # In virtual rows, the order by rows wraps around at other columns.
        corners = [(columns + move) % width == 0 for move in range(-self.reach, self.reach + 1)]
        posts = _with_margins(columns, tf.reduce_any(corners, 0), margin)
        wide = tf.size(posts.source)

        # Indices of the compared cells and of their neighbors, or of a zero cell beyond the map.
        nowhere = height * width
        place = tf.gather(cells, lines.source)[:, None] + tf.gather(columns, posts.source)
        row, column = place // width + lines.offset[:, None], place % width + posts.offset
        exists = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        place = tf.reshape(tf.where(exists, row * width + column, nowhere), [-1])
        count = tf.size(place)
        # Zero cells at the end make up for the entries that averaging drops.
        place = tf.pad(place, [(0, length * (wide + 3) + 1)], constant_values=nowhere)
        features = tf.pad(tf.reshape(query, (nowhere, -1)), [(0, 1), (0, 0)])

        scores = tf.matmul(tf.gather(features, place), keys, transpose_b=True)
        line = tf.shape(keys)[0]
        scores = _average(tf.reshape(scores, [-1]), length, wide * line + self.back[1] + margin)
        scores = _average(scores, length, line + 1)
        scores = tf.reshape(scores[: tf.size(scores) // line * line], (-1, line))

        place = cells[:, None] + columns
        center = (lines.center[:, None] - margin) * wide + posts.center - margin
        center = tf.reshape(tf.where((place >= 0) & (place < nowhere), center, count), [-1])
        center = tf.pad(center, [(0, self.how.fuse_size + 1)], constant_values=count)
        scores = tf.gather(scores, center)
        height, width = self.back[0], self.back[1]
        scores = scores[:, : height * (width + margin)]
        scores = tf.reshape(scores, (-1, height, width + margin))[:, :, :width]
        scores *= inverse_norm * float(length**2)
        return tf.reshape(scores, (-1, height * width))

    def _virtual(self, scores: Any, first: Any) -> Any:
        """Return the scores of `reach` virtual rows of background patches."""
        rows = (first + tf.range(self.reach))[:, None]
        columns = tf.range(self.back[1])
        places = (rows % self.back[0]) * self.back[1] + rows // self.back[0] + columns
        exists = tf.reshape(_in_order(rows, columns, self.back), [-1])
        places = tf.where(exists, tf.reshape(places, [-1]), 0)
        return tf.gather(scores, places, axis=-1) * tf.cast(exists, scores.dtype)

    def _to_pixels(self, blocks: Any, origin: Any) -> Any:
        """Turn blocks `(rows, columns, rate^2 C)` into pixels, at their place in the foreground."""
        rate = self.how.rate
        height, width = tf.unstack(tf.shape(blocks)[:2])
        channels = blocks.shape[-1] // rate**2
        pixels = tf.reshape(blocks, (height, width, rate, rate, channels))
        pixels = tf.transpose(pixels, (0, 2, 1, 3, 4))
        pixels = tf.reshape(pixels, (height * rate, width * rate, channels))
        # The first block begins half a block above and left of the first cell.
        return _placed(pixels, origin * rate - rate // 2, self.front * rate)


def _placed(region: Any, origin: Any, size: Any) -> Any:
    """Place `(rows, columns, D)` at an origin in zeros of a size. What is outside is cropped."""
    before = tf.maximum(-origin, 0)
    region = region[before[0] :, before[1] :]
    origin = tf.maximum(origin, 0)
    kept = tf.minimum(tf.shape(region)[:2], size - origin)
    after = size - origin - kept
    pads = [(origin[0], after[0]), (origin[1], after[1]), (0, 0)]
    return tf.pad(region[: kept[0], : kept[1]], pads)


def _average(line: Any, length: int, step: Any) -> Any:
    """Return a moving average: the mean of `length` values, `step` apart, from each index on.

    The result has no entry for the last indices, which have too few values, and for up to a step
    more.
    """
    if length == 1:
        return line
    count = tf.size(line) // step
    lines = tf.reshape(line[: count * step], (1, count, 1, step))
    return tf.reshape(tf.nn.avg_pool2d(lines, (length, 1), 1, "VALID"), [-1])


class _Line(NamedTuple):
    """Positions along one axis, with margins around some."""

    source: Any  # for each position, the index of the requested one that it belongs to
    offset: Any  # its distance from that one
    center: Any  # indices of the requested positions themselves


def _with_margins(places: Any, breaks: Any, margin: int) -> _Line:
    """Add a margin to both sides of every run of positions. `breaks` marks where runs begin."""
    begins = tf.concat([[True], breaks[1:]], 0)
    ends = tf.concat([breaks[1:], [True]], 0)
    offset = tf.range(-margin, margin + 1)
    kept = (offset == 0) | ((offset < 0) & begins[:, None]) | ((offset > 0) & ends[:, None])
    found = tf.cast(tf.where(kept), tf.int32)
    offset = found[:, 1] - margin
    return _Line(found[:, 0], offset, tf.cast(tf.where(offset == 0)[:, 0], tf.int32))


def _bounds(wanted: Any) -> tuple[Any, Any]:
    """Return the origin and the extent of the bounding box of the needed cells, or of one cell."""
    found = tf.cast(tf.where(wanted), tf.int32)
    found = tf.cond(tf.size(found) > 0, lambda: found, lambda: tf.zeros((1, 2), tf.int32))
    first = tf.reduce_min(found, 0)
    return first, tf.reduce_max(found, 0) + 1 - first


def _in_order(rows: Any, columns: Any, size: Any) -> Any:
    """Return which cells exist in the order by columns. Rows may be virtual."""
    place = columns * size[0] + rows
    return (place >= 0) & (place < size[0] * size[1])


def _tiles_with(wanted: Any, origin: Any, counts: Any, size: Any) -> Any:
    """Return the (row, column) of each tile with a needed cell, or of the first tile."""
    wanted = wanted[origin[0] :, origin[1] :]
    extent = counts * size
    wanted = wanted[: extent[0], : extent[1]]
    missing = extent - tf.shape(wanted)
    padded = tf.pad(wanted, [(0, missing[0]), (0, missing[1])])
    tiles = tf.reshape(padded, (counts[0], size[0], counts[1], size[1]))
    found = tf.cast(tf.where(tf.reduce_any(tiles, (1, 3))), tf.int32)
    # A graph cannot stack the outputs of zero tiles.
    first = tf.zeros((tf.cast(tf.equal(tf.size(found), 0), tf.int32), 2), tf.int32)
    return tf.concat([found, first], 0)


def _join(tiles: Any) -> Any:
    """Join tiles `(m, n, h + 1, w + 1, D)` that overlap by one row and column, and add there."""
    rows = _add_last_to_next(tiles)
    columns = _add_last_to_next(tf.transpose(rows, (1, 0, 3, 2, 4)))
    tiles = tf.transpose(columns, (1, 3, 0, 2, 4))
    shape = tf.shape(tiles)
    return tf.reshape(tiles, (shape[0] * shape[1], shape[2] * shape[3], tiles.shape[-1]))


def _add_last_to_next(tiles: Any) -> Any:
    """Return tiles `(m + 1, n, h, w, D)`, given `(m, n, h + 1, w, D)` that overlap by one row."""
    none = [(0, 0)] * 4
    first = tf.pad(tiles[:, :, -1:], [(1, 0), *none])
    body = tf.pad(tiles[:, :, :-1], [(0, 1), *none])
    return tf.concat([first + body[:, :, :1], body[:, :, 1:]], 2)
