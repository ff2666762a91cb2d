"""Contextual attention of one picture in NumPy, for the cells that a hole depends on.

It gives what `ContextualAttention` gives, needs neither Keras nor TensorFlow, and takes memory that
is linear in the size of the picture: the needed cells are worked on in tiles.

Scores are fused along the order of cells by rows, then by columns, both of which wrap around: the
end of a line is followed by the start of the next. So the cell above row 0 is in the last row, one
column further left, and that below the last row is in row 0, one column further right.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from inpaint_tf.inference.tiling import Box

Float: TypeAlias = npt.NDArray[np.float32]
Int: TypeAlias = npt.NDArray[Any]

RATE = 2  # features a side of a cell
SCALE = 10.0  # of scores in the softmax
MINIMUM_NORM = 1e-4
_MAPS = 6  # scores of a tile that are held at once
_MOST = 2**28  # bytes of a tile; larger ones are no faster


def attend(
    features: Float, mask: npt.NDArray[Any], needed: npt.NDArray[np.bool_], memory: int, compat: str
) -> tuple[Float, npt.NDArray[np.int32]]:
    """Rebuild features of a picture from similar ones of its known places.

    Args:
        features: `(h, w, C)` float32; h and w are even.
        mask: `(k h, k w, 1)`, above 0 where missing.
        needed: `(h, w)`, which features are needed. Others may be wrong.
        memory: bytes for scores.
        compat: `"keras"`, `"torch"` or `"tf1"`, as in `ContextualAttention`.

    Returns:
        `(h, w, C)` float32, and where most of each cell came from: offsets (dy, dx) in cells,
        `(h / 2, w / 2, 2)` int32, 0 where nothing is needed.

    Example:
        >>> import numpy as np
        >>> from inpaint_tf.inference.attention import attend
        >>> features, mask = np.ones((8, 8, 4), np.float32), np.zeros((8, 8, 1))
        >>> attended, offsets = attend(features, mask, np.ones((8, 8), bool), 10**6, "keras")
        >>> attended.shape, offsets.shape
        ((8, 8, 4), (4, 4, 2))
    """
    # A feature is covered by patches of its own cell and of the cells beside it.
    split = needed.reshape(needed.shape[0] // RATE, RATE, needed.shape[1] // RATE, RATE)
    touched = np.asarray(split.any(axis=(1, 3)))
    cells = np.asarray(_windows(np.pad(touched, 1)).any(axis=(2, 3)))
    return _Attention(features, mask[..., 0], compat).run(cells, memory)


def least_memory(height: int, width: int) -> int:
    """Return the bytes that the scores of one cell take, for a picture of so many cells."""
    return 4 * _MAPS * height * width * 3**2


class _Attention:
    """The attention of one picture, with its background prepared."""

    def __init__(self, features: Float, mask: npt.NDArray[Any], compat: str) -> None:
        rows, columns = (_kept(side, RATE, compat) for side in features.shape[:2])
        self.cells = np.ascontiguousarray(features[np.ix_(rows, columns)])
        self.height, self.width, self.channels = self.cells.shape
        self.count = self.height * self.width
        missing = mask > 0
        for axis in (0, 1):
            places = _kept(mask.shape[axis], mask.shape[axis] // features.shape[axis], compat)
            missing = missing.take(places, axis)
        missing = np.pad(missing[np.ix_(rows, columns)], 1)
        self.valid = 1 - _windows(missing).any(axis=(2, 3)).ravel().astype(np.float32)
        squares = np.pad(np.square(self.cells).sum(-1), 1)
        total = _windows(squares).sum(axis=(2, 3)).ravel()
        if compat == "torch":
            self.norm = np.sqrt(total + 9 * self.channels * MINIMUM_NORM)
        else:
            self.norm = np.sqrt(np.maximum(total, MINIMUM_NORM**2))
        # A zero cell after each row, and zero rows around: a step of one cell or one row of the
        # picture is a step of fixed length, and leads to zeros outside of it.
        self.line = self.width + 1
        keys = np.pad(self.cells, ((1, 1), (0, 1), (0, 0))).reshape(-1, self.channels)
        self.keys = np.pad(keys, ((1, 1), (0, 0)))
        self.blocks = self._blocks(features)

    def _blocks(self, features: Float) -> Float:
        """Divide the features into blocks of a cell, of which a pasted patch takes 2 x 2.

        The first block begins half a cell before the picture.
        """
        half = RATE // 2
        padded = np.pad(features, ((half, RATE - half), (half, RATE - half), (0, 0)))
        split = padded.reshape(self.height + 1, RATE, self.line, RATE, self.channels)
        return split.transpose(0, 2, 1, 3, 4).reshape(-1, RATE * RATE * self.channels)

    def run(
        self, needed: npt.NDArray[np.bool_], memory: int
    ) -> tuple[Float, npt.NDArray[np.int32]]:
        """Attend for the needed cells."""
        shape = (self.height + 1, self.line, RATE, RATE, self.channels)
        pasted = np.zeros(shape, np.float32)
        best = np.arange(self.count, dtype=np.int32).reshape(self.height, self.width)
        for box in self._tiles(needed, memory):
            attention = self._attention(box)
            best[box.slices] = attention.argmax(-1)
            top, left, bottom, right = box
            pasted[top : bottom + 1, left : right + 1] += self._paste(attention)
        half = RATE // 2
        pixels: Any = pasted.transpose(0, 2, 1, 3, 4).reshape(
            (self.height + 1) * RATE, self.line * RATE, self.channels
        )
        pixels = pixels[half : half + self.height * RATE, half : half + self.width * RATE] / 4
        offsets = np.stack([*np.divmod(best, self.width)], -1) - np.moveaxis(
            np.indices(best.shape), 0, -1
        )
        return pixels, (offsets * needed[..., None]).astype(np.int32)

    def _tiles(self, needed: npt.NDArray[np.bool_], memory: int) -> Iterator[Box]:
        """Yield boxes of cells that cover the needed ones."""
        if not needed.any():
            return
        each = 4 * _MAPS * self.count
        side = max(int((min(memory, _MOST) / each) ** 0.5) - 2, 1)
        ranges = []
        for axis in (0, 1):
            found = np.flatnonzero(needed.any(axis=1 - axis))
            first, last = int(found[0]), int(found[-1]) + 1
            parts = -(-(last - first) // side)
            edges = np.linspace(first, last, parts + 1).astype(int).tolist()
            ranges.append(list(itertools.pairwise(edges)))
        for (top, bottom), (left, right) in itertools.product(*ranges):
            box = Box(top, left, bottom, right)
            if needed[box.slices].any():
                yield box

    def _attention(self, box: Box) -> Float:
        """Return the weights of all patches for the cells of a box: `(rows, columns, patches)`."""
        scores = self._fused(box) * (self.valid * np.float32(SCALE))
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        total = scores.sum(-1, keepdims=True)
        scores *= self.valid
        scores /= total
        return scores

    def _paste(self, attention: Float) -> Float:
        """Return the sums of the pasted blocks: `(rows + 1, columns + 1, RATE, RATE, C)`."""
        rows, columns = attention.shape[:2]
        maps = attention.reshape(rows, columns, self.height, self.width)
        weights = np.zeros((rows + 1, columns + 1, self.height + 1, self.line), np.float32)
        for down, right in itertools.product((0, 1), repeat=2):
            weights[
                down : rows + down,
                right : columns + right,
                down : self.height + down,
                right : self.width + right,
            ] += maps
        pasted = weights.reshape((rows + 1) * (columns + 1), -1) @ self.blocks
        return pasted.reshape(rows + 1, columns + 1, RATE, RATE, self.channels)

    def _fused(self, box: Box) -> Float:
        """Return the fused scores of the cells of a box: `(rows, columns, patches)`."""
        width, last = self.width, (self.height - 1) * self.width
        rows = np.arange(box.top - 1, box.bottom + 1)[:, None]
        columns = np.arange(box.left - 1, box.right + 1)
        places = rows % self.height * width + rows // self.height + columns
        scores = self._scores(places, box)

        # By rows, the cells before and after one are those beside it.
        by_rows = scores[:, 1:-1].copy()
        by_rows[..., 1:] += scores[:, :-2, :-1]
        by_rows[..., :-1] += scores[:, 2:, 1:]
        # In the order by columns, nothing is before the first cell and after the last one.
        order = columns[1:-1] * self.height + rows
        by_rows[(order < 0) | (order >= self.count)] = 0

        fused = by_rows[1:-1].copy()
        before, after = by_rows[:-2], by_rows[2:]
        fused[..., width:] += before[..., :-width]
        fused[..., 1:width] += before[..., last:-1]
        fused[..., :-width] += after[..., width:]
        fused[..., last:-1] += after[..., 1:width]
        return fused

    def _scores(self, places: Int, box: Box) -> Float:
        """Compare the cells at places in the order by rows with all patches.

        Those inside of the box and beside it are compared at once, the others, to which the orders
        wrap around, one by one.
        """
        scores = np.empty((*places.shape, self.count), np.float32)
        top, left = box.top - 1, box.left - 1
        wide = box.grown(1, self.height, self.width)
        inside = Box(wide.top - top, wide.left - left, wide.bottom - top, wide.right - left)
        scores[inside.slices] = self._scores_of_box(wide)
        others = np.ones(places.shape, bool)
        others[inside.slices] = False
        if others.any():
            scores[others] = self._scores_of_cells(places[others])
        return scores

    def _scores_of_box(self, box: Box) -> Float:
        padded = np.pad(self.cells, ((1, 1), (1, 1), (0, 0)))
        cells = padded[box.top : box.bottom + 2, box.left : box.right + 2]
        gram = (cells.reshape(-1, self.channels) @ self.keys.T).reshape(*cells.shape[:2], -1)
        # Inner products of patches are sums of those of their pixels.
        lines = gram[:, 1:-1, 1:-1] + gram[:, :-2, :-2]
        lines += gram[:, 2:, 2:]
        total = lines[1:-1, :, self.line : -self.line] + lines[:-2, :, : -2 * self.line]
        total += lines[2:, :, 2 * self.line :]
        total = total.reshape(*total.shape[:2], self.height, self.line)[..., : self.width]
        return total.reshape(*total.shape[:2], -1) / self.norm

    def _scores_of_cells(self, places: Int) -> Float:
        """Compare cells at any places; there are none outside of the picture."""
        exist = (places >= 0) & (places < self.count)
        rows, columns = np.divmod(np.where(exist, places, 0), self.width)
        total: Any = 0
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            row, column = rows + down, columns + right
            # A step beyond the end of a row, or of the picture, leads to zeros.
            cells = self.keys[1 + (row + 1) * self.line + column]
            first = 1 + (1 + down) * self.line + right
            total = total + cells @ self.keys[first : first + self.height * self.line].T
        total = total.reshape(-1, self.height, self.line)[..., : self.width]
        return total.reshape(len(places), -1) / self.norm * exist[:, None]


def _kept(size: int, rate: int, compat: str) -> Int:
    """Return every `rate`-th place along an axis. With `tf1`, the last is always kept."""
    if compat != "tf1":
        return np.arange(0, size, rate)
    kept = -(-size // rate)
    step = np.float32(size - 1) / np.float32(max(kept - 1, 1))
    return np.floor(np.arange(kept, dtype=np.float32) * step + np.float32(0.5)).astype(int)


def _windows(padded: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the 3x3 neighborhood of each value: `(h, w, 3, 3)`."""
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
