"""Contextual attention that never holds the whole score map. TensorFlow only.

The foreground is cut into tiles of neighbouring cells. A tile is compared with all background
patches, its scores are fused, and what it attends to is pasted, before the next tile has its turn:
memory grows with the background, not with its square. The backward pass computes each tile anew.

As in the formulation "Gram and shift", all that is done with patches is a sum along a diagonal of
the tile's score map, of cells by patches. Laid out in one line, a step along a diagonal is a step
of fixed length, so that the sum is a moving average over lines of that length (`_average`). Zeros
around both maps keep a step from leading round a corner.

Fusing adds the scores of cells that follow each other, first in an order by rows, then in one by
columns, where it does lead round corners: the end of a line touches the begin of the next. What
comes before the first row of the map, in the order by columns, is its last row, a column further
left; what comes before the first column, in the order by rows, is the last column, a row further
up. Such rows and columns are called virtual.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

# Score maps of a tile that are in memory at once, in four bytes a score: an estimate, below which
# processes were seen to stay.
_MAPS = 6
# Of a tile, in cells: larger ones take more memory and hardly less time.
_LARGEST_SIDE = 20


class Comparison(NamedTuple):
    """How patches are compared and pasted; as the arguments of `ContextualAttention`."""

    patch_size: int
    fuse_size: int
    softmax_scale: float
    rate: int
    reduction: int = 1


def least_memory(patches: int, fuse_size: int) -> int:
    """Return the bytes of the score maps of a tile of one cell, for so many background patches."""
    return _memory(patches, fuse_size, side=1)


def most_memory(patches: int, fuse_size: int) -> int:
    """Return the bytes of the score maps of the largest tile."""
    return _memory(patches, fuse_size, side=_LARGEST_SIDE)


def _memory(patches: int, fuse_size: int, side: int) -> int:
    return 4 * _MAPS * patches * (side + 2 * (fuse_size // 2)) ** 2


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
    """Compare all patches and paste the attended ones over each other.

    Args:
        foreground: sampled down, `(B, h', w', C)` float32.
        background: sampled down, `(B, H', W', C)` float32.
        full_background: `(B, H, W, C)` with `H' = ceil(H / rate)`.
        norm: of the background patches, `(B, H', W')`.
        valid: 1 for background patches that may be attended to, else 0, `(B, H', W')`.
        needed: cells whose patches are wanted, `(B, h', w')` bool; tiles without are left out.
        how: patches are compared.
        memory: bytes that the score maps of a tile may take; None is what large tiles take.
        stream: how a tile is compared, if not exactly.

    Returns:
        `(B, rate h', rate w', C)`, sums of up to four patches, and the background patch that each
        cell attends to most, `(B, h', w')` int32. Both are 0 in tiles that were left out.
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
    """One sample's attention, tile by tile.

    Args:
        how: patches are compared.
        front: (h', w').
        back: (H', W').
        usable: 1 for background patches that may be attended to, `(H' W',)`.
        dtype: of what is pasted.
    """

    def __init__(
        self, how: Comparison, front: Any, back: Any, usable: Any, dtype: tf.DType
    ) -> None:
        self.dtype = dtype
        self.how = how
        self.margin = how.patch_size // 2
        self.reach = how.fuse_size // 2
        self.front = front
        self.back = back
        self.usable = usable

    def sources(self, query: Any, key: Any, inverse_norm: Any, background: Any) -> tuple[Any, ...]:
        """Return what tiles are made of; `(h', w', C)`, `(H', W', C)`, `(H', W')`, `(H, W, C)`."""
        return query, self._keys(key), inverse_norm, self.blocks(background)

    def _keys(self, background: Any) -> Any:
        """Return the cells of `(H', W', C)` in one line, with zeros between and around the rows."""
        margin = self.margin
        grid = tf.pad(background, [(margin, margin), (0, margin), (0, 0)])
        return tf.pad(tf.reshape(grid, (-1, background.shape[-1])), [(margin, 0), (0, 0)])

    def blocks(self, background: Any) -> Any:
        """Return the blocks that patches are made of, `((H' + 1) (W' + 1), rate^2 C)`.

        A patch has two by two of them, and the first begins half a block early.
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
        """Return what is pasted, `(rate h', rate w', C)`, and the most attended patches.

        Args:
            sources: what tiles are made of.
            wanted: `(h', w')` bool.
            memory: bytes for the score maps of a tile, or None.
        """
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
        # As floats, which hold them exactly: of integers oneDNN says on stderr that it cannot
        # transpose them on every processor.
        best = tf.transpose(tf.cast(best, tf.float32), (0, 2, 1, 3))
        best = tf.cast(tf.reshape(best, counts * size), tf.int32)
        best = _placed(best[..., None], origin, self.front)[..., 0]
        return self._to_pixels(_join(pasted), origin), best

    def tiling(self, wanted: Any, memory: int | None) -> tuple[Any, Any, Any]:
        """Return where tiles begin, how many there are, and their size, as (rows, columns)."""
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
        """Return blocks of pixels, `(rows + 1, columns + 1, rate^2 C)`, and the best patches.

        The blocks begin half a block above and left of the tile.
        """
        scores = self._scores(corner, size, query, keys, inverse_norm)
        # Of the sums of fusing there are only the means.
        scale = self.how.softmax_scale * self.how.fuse_size**2
        attention = tf.nn.softmax(scores * (self.usable * scale)) * self.usable
        best = tf.reshape(tf.argmax(attention, -1, tf.int32), size)
        attention = tf.cast(attention * self.inside(corner, size), blocks.dtype)

        # A cell pastes two by two blocks, which is a step of a row and of a column in both maps.
        # The zero rows at the end are what averaging leaves out.
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

    def inside(self, corner: Any, size: Any) -> Any:
        """Return 1 for the cells of a tile that lie in the foreground, else 0, `(cells, 1)`."""
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

        # In the order by rows, cells that follow each other are neighbours in both lines.
        length = 2 * reach + 1
        line = patches + 2 * reach
        scores = _average(
            tf.reshape(tf.pad(scores, [(0, 0), (reach, reach)]), [-1]), length, line + 1
        )
        count = tf.size(rows) * tf.size(columns)
        scores = tf.reshape(scores[: count * line], (tf.size(rows), tf.size(columns), line))
        scores = scores[:, : size[1], :patches]

        # In the order by columns, they lie a row of cells apart; the zero rows are left out again.
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
        """Return the scores of cells, some of them virtual, `(rows x columns + some, H' W')`."""
        (height, width), margin, length = tf.unstack(self.front), self.margin, self.how.patch_size
        cells = (rows % height) * width + rows // height
        lines = _with_margins(rows, rows % height == 0, margin)
        # Where the order by rows leads round a corner depends on the row, if that is virtual.
        corners = [(columns + move) % width == 0 for move in range(-self.reach, self.reach + 1)]
        posts = _with_margins(columns, tf.reduce_any(corners, 0), margin)
        wide = tf.size(posts.source)

        # Places that are compared, and those beside them on the map: their number, or a zero cell.
        nowhere = height * width
        place = tf.gather(cells, lines.source)[:, None] + tf.gather(columns, posts.source)
        row, column = place // width + lines.offset[:, None], place % width + posts.offset
        exists = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        place = tf.reshape(tf.where(exists, row * width + column, nowhere), [-1])
        count = tf.size(place)
        # Zero cells at the end are what averages leave out, and where there is no place.
        place = tf.pad(place, [(0, length * (wide + 3) + 1)], constant_values=nowhere)
        features = tf.pad(tf.reshape(query, (nowhere, -1)), [(0, 1), (0, 0)])

        scores = tf.matmul(tf.gather(features, place), keys, transpose_b=True)
        line = tf.shape(keys)[0]
        scores = _average(tf.reshape(scores, [-1]), length, wide * line + self.back[1] + margin)
        scores = _average(scores, length, line + 1)
        scores = tf.reshape(scores[: tf.size(scores) // line * line], (-1, line))

        place = cells[:, None] + columns
        centre = (lines.centre[:, None] - margin) * wide + posts.centre - margin
        centre = tf.reshape(tf.where((place >= 0) & (place < nowhere), centre, count), [-1])
        centre = tf.pad(centre, [(0, self.how.fuse_size + 1)], constant_values=count)
        scores = tf.gather(scores, centre)
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
    """Put `(rows, columns, D)` at a place into zeros of a size; what hangs over is cut."""
    before = tf.maximum(-origin, 0)
    region = region[before[0] :, before[1] :]
    origin = tf.maximum(origin, 0)
    kept = tf.minimum(tf.shape(region)[:2], size - origin)
    after = size - origin - kept
    pads = [(origin[0], after[0]), (origin[1], after[1]), (0, 0)]
    return tf.pad(region[: kept[0], : kept[1]], pads)


def _average(line: Any, length: int, step: Any) -> Any:
    """Return the means of so many values a step apart, from each place on.

    The last places, of which a part of the values is missing, are left out, and up to a step more.
    """
    if length == 1:
        return line
    count = tf.size(line) // step
    lines = tf.reshape(line[: count * step], (1, count, 1, step))
    return tf.reshape(tf.nn.avg_pool2d(lines, (length, 1), 1, "VALID"), [-1])


class _Line(NamedTuple):
    """Places along one axis with margins: each is so far from one of the places asked for.

    Attributes:
        source: index of the place asked for.
        offset: how far from it.
        centre: where the places asked for stand.
    """

    source: Any
    offset: Any
    centre: Any


def _with_margins(places: Any, breaks: Any, margin: int) -> _Line:
    """Give every run of places a margin on both sides; `breaks` tells where a run begins."""
    begins = tf.concat([[True], breaks[1:]], 0)
    ends = tf.concat([breaks[1:], [True]], 0)
    offset = tf.range(-margin, margin + 1)
    kept = (offset == 0) | ((offset < 0) & begins[:, None]) | ((offset > 0) & ends[:, None])
    found = tf.cast(tf.where(kept), tf.int32)
    offset = found[:, 1] - margin
    return _Line(found[:, 0], offset, tf.cast(tf.where(offset == 0)[:, 0], tf.int32))


def _bounds(wanted: Any) -> tuple[Any, Any]:
    """Return the begin and the extent of the smallest box around what is wanted, or of one cell."""
    found = tf.cast(tf.where(wanted), tf.int32)
    found = tf.cond(tf.size(found) > 0, lambda: found, lambda: tf.zeros((1, 2), tf.int32))
    first = tf.reduce_min(found, 0)
    return first, tf.reduce_max(found, 0) + 1 - first


def _in_order(rows: Any, columns: Any, size: Any) -> Any:
    """Tell which cells the order by columns has; rows may be virtual."""
    place = columns * size[0] + rows
    return (place >= 0) & (place < size[0] * size[1])


def _tiles_with(wanted: Any, origin: Any, counts: Any, size: Any) -> Any:
    """Return the (row, column) of each tile in which a cell is wanted, or of the first tile."""
    wanted = wanted[origin[0] :, origin[1] :]
    extent = counts * size
    wanted = wanted[: extent[0], : extent[1]]
    missing = extent - tf.shape(wanted)
    padded = tf.pad(wanted, [(0, missing[0]), (0, missing[1])])
    tiles = tf.reshape(padded, (counts[0], size[0], counts[1], size[1]))
    found = tf.cast(tf.where(tf.reduce_any(tiles, (1, 3))), tf.int32)
    # A graph cannot stack the outputs of no tile.
    first = tf.zeros((tf.cast(tf.equal(tf.size(found), 0), tf.int32), 2), tf.int32)
    return tf.concat([found, first], 0)


def _join(tiles: Any) -> Any:
    """Join tiles `(m, n, h + 1, w + 1, D)` whose last row and column overlap the next one's first.

    Returns:
        `(m h + h, n w + w, D)`, of which all beyond `(m h + 1, n w + 1)` is 0.
    """
    rows = _add_last_to_next(tiles)
    columns = _add_last_to_next(tf.transpose(rows, (1, 0, 3, 2, 4)))
    tiles = tf.transpose(columns, (1, 3, 0, 2, 4))
    shape = tf.shape(tiles)
    return tf.reshape(tiles, (shape[0] * shape[1], shape[2] * shape[3], tiles.shape[-1]))


def _add_last_to_next(tiles: Any) -> Any:
    """Return tiles `(m + 1, n, h, w, D)` of `(m, n, h + 1, w, D)`, overlapping along the rows."""
    none = [(0, 0)] * 4
    first = tf.pad(tiles[:, :, -1:], [(1, 0), *none])
    body = tf.pad(tiles[:, :, :-1], [(0, 1), *none])
    return tf.concat([first + body[:, :, :1], body[:, :, 1:]], 2)
