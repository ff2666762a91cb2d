"""Training rounds whose photographs stay in the memory of a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from inpaint_tf.data.augmentation import Augmentation
from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.rounds import RoundDataset
from neuralgym_lite.backend import compiled, is_jax, jax_gpus
from neuralgym_lite.images import ImageError
from neuralgym_lite.progress import Progress

_SHARE = 0.25  # Of the memory of the GPU, which photographs may take.


class ResidentRounds(RoundDataset):
    """Makes the rounds of a `RoundDataset`, and takes the photographs from a GPU's memory.

    All of them are read and sent there once. Batches are gathered, cropped and flipped there, so
    that the host only draws masks and random numbers. A crop differs from that of `RoundDataset` by
    rounding: by one grey level, in few pixels.

    Args:
        photos: As for `RoundDataset`, like the next three.
        config: Settings of the run.
        on_bad_photo: Called once with the error of each photograph that cannot be read.
        order: Order of the photographs.
        progress: Shows the photographs read. Defaults to None, for no output.
    """

    def __init__(
        self,
        photos: PhotoSet,
        config: TrainConfig,
        on_bad_photo: Callable[[ImageError], object] = lambda error: None,
        order: int = 0,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(photos, config, on_bad_photo, order)
        side = self._augmentation.source_size(config.data.image_size)
        pixels = np.zeros((len(photos.train), side, side, 3), "uint8")
        read = np.zeros(len(photos.train), bool)

        def load(place: int) -> None:
            try:
                pixels[place] = photos.load(photos.train[place], side)
                read[place] = True
            except ImageError as error:
                self._refuse(photos.train[place], error)

        track = progress.track(len(read), "photographs") if progress else None
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(load, range(len(read))):
                if track:
                    track.advance()
        if track:
            track.close()  # now, so that its speed is that of reading
        if not read.any():
            raise self._fail(f"No photograph of '{photos.where}' can be read.")
        # As in `RoundDataset`, the next one that can be read replaces one that cannot.
        after = np.flatnonzero(read)
        self._rows = after[np.searchsorted(after, np.arange(len(read))) % len(after)]
        self._pixels = ops.convert_to_tensor(pixels)
        self._cut = compiled(partial(_cut_exactly, size=config.data.image_size), ())

    @classmethod
    def fits(cls, photos: PhotoSet, config: TrainConfig) -> bool:
        """Return whether there is a GPU with the memory, and no filling that needs the host."""
        gpus = jax_gpus() if is_jax() else []
        if not gpus or config.mask.make_mode().prefills:
            return False
        augmentation = Augmentation(smallest_crop=config.data.smallest_crop)
        side = augmentation.source_size(config.data.image_size)
        memory = (gpus[0].memory_stats() or {}).get("bytes_limit", 0)
        return bool(3 * side**2 * len(photos.train) <= _SHARE * memory)

    def make(self, index: int) -> dict[str, Any]:
        """Make a round. Its photographs are an array on the device."""
        made: dict[str, Any] = self._draw(index)
        positions = np.array(self._positions(index)).T
        size = self.config.data.image_size
        windows = [
            [self._augmentation.draw(size, self._augmentation_rng(int(each))) for each in row]
            for row in positions
        ]
        rows = [[self._rows[self._place(int(each))] for each in row] for row in positions]
        made["image"] = self._cut(self._pixels, np.array(rows, "int32"), np.array(windows, "int32"))
        return made


def _cut_exactly(photos: Any, rows: Any, windows: Any, size: int) -> Any:
    import jax

    # GPUs otherwise round the numbers that they multiply to ten bits.
    with jax.default_matmul_precision("highest"):
        return cut(photos, rows, windows, size)


def cut(photos: Any, rows: NDArray[np.int32], windows: NDArray[np.int32], size: int) -> Any:
    """Cut windows out of photographs, reduce them to one size, and flip some of them.

    Args:
        photos: `(N, S, S, 3)` uint8.
        rows: `(B, n)` int32, the photograph of each result.
        windows: `(B, n, 4)` int32: (top, left, side, flipped), with a side of at least `size`.
        size: Side of the results in pixels.

    Returns:
        `(B, n, size, size, 3)` uint8. A pixel is the mean of the area that it covers.
    """
    chosen = ops.take(photos, rows, axis=0)
    source = photos.shape[1]
    if source != size:
        top, left, side, _ = ops.unstack(ops.cast(windows, "float32"), axis=-1)
        chosen = ops.cast(chosen, "float32")
        chosen = ops.einsum("...ij,...jwc->...iwc", _areas(top, side, size, source), chosen)
        chosen = ops.einsum("...ij,...hjc->...hic", _areas(left, side, size, source), chosen)
        chosen = ops.cast(ops.clip(ops.round(chosen), 0, 255), "uint8")
    flipped = windows[..., 3, None, None, None] > 0
    return ops.where(flipped, ops.flip(chosen, axis=-2), chosen)


def _areas(start: Any, side: Any, size: int, source: int) -> Any:
    """Return the share of each source pixel in each result pixel: `(B, n, size, source)`."""
    scale = side[..., None, None] / size
    begin = start[..., None, None] + ops.arange(size, dtype="float32")[:, None] * scale
    pixel = ops.arange(source, dtype="float32")
    overlap = ops.minimum(begin + scale, pixel + 1) - ops.maximum(begin, pixel)
    return ops.maximum(overlap, 0) / scale
