"""Contextual attention that never holds the whole score map. TensorFlow only.

The foreground is cut into tiles of neighbouring cells. The patches of one tile are compared with
all background patches, fused, and what they attend to is pasted, before the next tile has its turn:
memory grows with the background, not with its square. The backward pass computes each tile anew.

Fusing adds the scores of cells that follow each other, first in an order by rows, then in one by
columns, where the end of a line touches the begin of the next. So a tile has a halo of cells, and
virtual rows above and below the map: in the order by columns, what comes before the first row is
the last one, a column further left, and what comes after the last row is the first one, a column
further right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

# Score maps of a tile that are in memory at once, in four bytes a score.
_MAPS = 6


class Comparison(NamedTuple):
    """How patches are compared and pasted; as the arguments of `ContextualAttention`."""

    patch_size: int
    fuse_size: int
    softmax_scale: float
    rate: int


def least_memory(patches: int, fuse_size: int) -> int:
    """Return the bytes of the score maps of a tile of one cell, for so many background patches."""
    return 4 * _MAPS * patches * (1 + 2 * (fuse_size // 2)) ** 2


def attend(
    foreground: Any,
    background: Any,
    full_background: Any,
    norm: Any,
    valid: Any,
    needed: Any,
    how: Comparison,
    memory: int,
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
        memory: bytes that the score maps of a tile may take.

    Returns:
        `(B, rate h', rate w', C)`, sums of up to four patches, and the background patch that each
        cell attends to most, `(B, h', w')` int32. Both are 0 in tiles that were left out.
    """

    def one_sample(sample: tuple[Any, ...]) -> tuple[Any, Any]:
        query, key, length, usable, wanted, source = sample
        stream = _Stream(how, tf.shape(query)[:2], tf.shape(key)[:2], tf.reshape(usable, [-1]))
        reach = how.fuse_size // 2
        patches = _patches(key, how.patch_size) / length[..., None]
        keys = tf.reshape(patches, (-1, how.patch_size**2 * key.shape[-1]))
        keys = tf.pad(keys, [(reach, reach), (0, 0)])
        return stream.run(query, keys, _blocks(source, how.rate), wanted, memory)

    return tf.map_fn(
        one_sample,
        (foreground, background, norm, valid, needed, full_background),
        fn_output_signature=(full_background.dtype, tf.int32),
        parallel_iterations=1,
    )


class _Stream:
    """One sample's attention, tile by tile.

    Args:
        how: patches are compared.
        front: (h', w').
        back: (H', W').
        usable: 1 for background patches that may be attended to, `(H' W',)`.
    """

    def __init__(self, how: Comparison, front: Any, back: Any, usable: Any) -> None:
        self.how = how
        self.reach = how.fuse_size // 2
        self.front = front
        self.back = back
        self.usable = usable

    def run(self, query: Any, keys: Any, blocks: Any, wanted: Any, memory: int) -> tuple[Any, Any]:
        """Return what is pasted, `(rate h', rate w', C)`, and the most attended patches.

        Args:
            query: `(h', w', C)`.
            keys: normalised patches, `(reach + H' W' + reach, patch_size^2 C)`.
            blocks: of pixels to paste, as `_blocks` returns them.
            wanted: `(h', w')` bool.
            memory: bytes for the score maps of a tile.
        """
        counts, size = self._tiling(memory)
        kept = _tiles_with(wanted, counts, size)

        @tf.custom_gradient
        def stream(*sources: Any) -> Any:
            def tile(index: Any) -> tuple[Any, Any]:
                return self._tile(index * size, size, *sources)

            signature = (sources[-1].dtype, tf.int32)
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

        pasted, best = stream(query, keys, blocks)
        pasted = tf.scatter_nd(kept, pasted, tf.concat([counts, tf.shape(pasted)[1:]], 0))
        best = tf.scatter_nd(kept, best, tf.concat([counts, size], 0))
        best = tf.reshape(tf.transpose(best, (0, 2, 1, 3)), counts * size)
        return self._crop(_join(pasted)), best[: self.front[0], : self.front[1]]

    def _tiling(self, memory: int) -> tuple[Any, Any]:
        """Return how many tiles there are and their size in cells, both as (rows, columns)."""
        scores = tf.cast(tf.reduce_prod(self.back), tf.float32) * 4.0 * _MAPS
        side = tf.cast(tf.sqrt(memory / scores), tf.int32) - 2 * self.reach
        counts = -(-self.front // tf.maximum(side, 1))
        return counts, -(-self.front // counts)

    def _tile(self, corner: Any, size: Any, query: Any, keys: Any, blocks: Any) -> tuple[Any, Any]:
        """Return blocks of pixels, `(rows + 1, columns + 1, rate^2 C)`, and the best patches.

        The blocks begin half a block above and left of the tile.
        """
        scores = self._scores(corner, size, query, keys)
        attention = tf.nn.softmax(scores * (self.usable * self.how.softmax_scale)) * self.usable
        best = tf.reshape(tf.argmax(attention, -1, tf.int32), size)
        real = [tf.range(size[axis]) + corner[axis] < self.front[axis] for axis in (0, 1)]
        real = tf.cast(tf.reshape(real[0][:, None] & real[1], (-1, 1)), blocks.dtype)

        # There is a row and a column of blocks more than of patches.
        height, width = tf.unstack(self.back)
        attention = tf.reshape(tf.cast(attention, blocks.dtype), (-1, height, width))
        attention = tf.reshape(
            tf.pad(attention, [(0, 0), (0, 0), (0, 1)]), (-1, height * (width + 1))
        )
        moves = [i * (width + 1) + j for i in (0, 1) for j in (0, 1)]
        corners = [
            tf.matmul(attention, blocks[move : move + height * (width + 1)]) * real
            for move in moves
        ]
        shape = (size[0], size[1], blocks.shape[-1])
        return _overlap([tf.reshape(each, shape) for each in corners]), best

    def _scores(self, corner: Any, size: Any, query: Any, keys: Any) -> Any:
        """Return the fused scores of a tile, `(cells, H' W')`."""
        (height, width), reach = tf.unstack(self.front), self.reach
        (_, back_width), patches = tf.unstack(self.back), tf.reduce_prod(self.back)
        rows = corner[0] + tf.range(-reach, size[0] + reach)[:, None]
        columns = corner[1] + tf.range(-reach, size[1] + reach)
        places = (rows % height) * width + rows // height + columns
        scores = tf.matmul(self._queries(query, places), keys, transpose_b=True)
        scores = tf.reshape(scores, (*tf.unstack(tf.shape(places)), patches + 2 * reach))
        if not reach:
            return tf.reshape(scores, (-1, patches))

        steps = range(2 * reach + 1)
        # In the order by rows, cells that follow each other are neighbours in both maps.
        scores = tf.add_n([scores[:, i : i + size[1], i : i + patches] for i in steps])
        exists = _in_order(rows, columns[reach : reach + size[1]], self.front)
        scores *= tf.cast(exists, tf.float32)[..., None]
        before, after = self._virtual(scores, -reach), self._virtual(scores, self.back[0])
        scores = tf.concat([before, scores, after], -1)
        # In the order by columns, they lie a row of cells apart.
        starts = [i * back_width for i in steps]
        scores = tf.add_n(
            [scores[i : i + size[0], :, starts[i] : starts[i] + patches] for i in steps]
        )
        return tf.reshape(scores, (-1, patches))

    def _virtual(self, scores: Any, first: Any) -> Any:
        """Return the scores of `reach` virtual rows of background patches."""
        rows = (first + tf.range(self.reach))[:, None]
        columns = tf.range(self.back[1])
        places = (rows % self.back[0]) * self.back[1] + rows // self.back[0] + columns
        exists = tf.reshape(_in_order(rows, columns, self.back), [-1])
        places = tf.where(exists, tf.reshape(places, [-1]), 0)
        return tf.gather(scores, places, axis=-1) * tf.cast(exists, scores.dtype)

    def _queries(self, query: Any, places: Any) -> Any:
        """Return the patches at flat places of the foreground, zeros where there is no place."""
        places = tf.reshape(places, (-1, 1))
        exists = (places >= 0) & (places < tf.reduce_prod(self.front))
        places = tf.where(exists, places, 0)
        margin = self.how.patch_size // 2
        padded = tf.pad(query, [(margin, margin), (margin, margin), (0, 0)])
        width = self.front[1]
        offsets = tf.range(self.how.patch_size)
        wide = width + 2 * margin
        corners = (places // width) * wide + places % width
        pixels = corners + tf.reshape(offsets[:, None] * wide + offsets, (1, -1))
        patches = tf.gather(tf.reshape(padded, (-1, query.shape[-1])), pixels)
        patches *= tf.cast(exists, patches.dtype)[..., None]
        return tf.reshape(patches, (-1, self.how.patch_size**2 * query.shape[-1]))

    def _crop(self, blocks: Any) -> Any:
        """Turn blocks `(rows, columns, rate^2 C)` into the foreground's pixels."""
        rate = self.how.rate
        height, width = tf.unstack(self.front + 1)
        channels = blocks.shape[-1] // rate**2
        blocks = tf.reshape(blocks[:height, :width], (height, width, rate, rate, channels))
        pixels = tf.transpose(blocks, (0, 2, 1, 3, 4))
        pixels = tf.reshape(pixels, (height * rate, width * rate, channels))
        first = rate // 2
        height, width = tf.unstack(self.front * rate)
        return pixels[first : first + height, first : first + width]


def _in_order(rows: Any, columns: Any, size: Any) -> Any:
    """Tell which cells the order by columns has; rows may be virtual."""
    place = columns * size[0] + rows
    return (place >= 0) & (place < size[0] * size[1])


def _tiles_with(wanted: Any, counts: Any, size: Any) -> Any:
    """Return the (row, column) of each tile in which a cell is wanted, or of the first tile."""
    missing = counts * size - tf.shape(wanted)
    padded = tf.pad(wanted, [(0, missing[0]), (0, missing[1])])
    tiles = tf.reshape(padded, (counts[0], size[0], counts[1], size[1]))
    found = tf.cast(tf.where(tf.reduce_any(tiles, (1, 3))), tf.int32)
    # A graph cannot stack the outputs of no tile.
    first = tf.zeros((tf.cast(tf.equal(tf.size(found), 0), tf.int32), 2), tf.int32)
    return tf.concat([found, first], 0)


def _patches(features: Any, size: int) -> Any:
    """Return the patch around every pixel of `(H, W, C)`: `(H, W, size^2 C)`."""
    margin = size // 2
    height, width = tf.unstack(tf.shape(features)[:2])
    padded = tf.pad(features, [(margin, margin), (margin, margin), (0, 0)])
    # Slices, because the gradient of `extract_patches` is slow.
    pixels = [padded[i : i + height, j : j + width] for i in range(size) for j in range(size)]
    return tf.concat(pixels, -1)


def _blocks(features: Any, rate: int) -> Any:
    """Return the blocks that patches are made of, `((H' + 1) (W' + 1) + 1, rate^2 C)`.

    A patch has two by two blocks, of which the first begins half a block early. The last row is
    there so that the others can be moved by a row and a column.
    """
    channels = features.shape[-1]
    before = rate // 2
    pads = [(before, rate - before + -size % rate) for size in tf.unstack(tf.shape(features)[:2])]
    padded = tf.pad(features, [*pads, (0, 0)])
    height, width = tf.unstack(tf.shape(padded)[:2] // rate)
    blocks = tf.reshape(padded, (height, rate, width, rate, channels))
    blocks = tf.reshape(tf.transpose(blocks, (0, 2, 1, 3, 4)), (-1, rate**2 * channels))
    return tf.pad(blocks, [(0, 1), (0, 0)])


def _overlap(corners: list[Any]) -> Any:
    """Add up the blocks `(h, w, D)` that patches have above left, above right, below left, ...

    Returns:
        `(h + 1, w + 1, D)`.
    """
    pads = [[(i, 1 - i), (j, 1 - j), (0, 0)] for i in (0, 1) for j in (0, 1)]
    return tf.add_n([tf.pad(blocks, pad) for blocks, pad in zip(corners, pads, strict=True)])


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
