"""The same test photographs at every stage of a run: a picture to look at and two numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from inpaint_tf import metrics
from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.models import InpaintingModel
from inpaint_tf.report.evaluation import draw
from inpaint_tf.report.flow_colors import flow_to_rgb
from inpaint_tf.report.grid import image_grid
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import ImageError, to_uint8


class Seen(NamedTuple):
    """What a preview saw.

    Attributes:
        scores: mean MSE and L1 of the composited pictures.
        grid: uint8 RGB picture of some of them, a row each.
        filled: those some, one below the other.
        truth: the same photographs, one below the other.
    """

    scores: dict[str, float]
    grid: npt.NDArray[np.uint8]
    filled: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]


class Preview:
    """Fills the first test photographs with the network as it is.

    Args:
        generator: the network in training.
        photos: its data set; the test photographs are used.
        size: side of the pictures in pixels.
        seed: of the masks.
        shown: rows of the picture grid.
        scored: photographs that are scored.
        batch_size: photographs filled at once.
        on_bad_photo: called with the error of each photograph that cannot be read; it is left out.

    Raises:
        UserError: if none can be read.
    """

    def __init__(
        self,
        generator: InpaintingModel,
        photos: PhotoSet,
        size: int,
        seed: int,
        shown: int = 16,
        scored: int = 64,
        batch_size: int = 8,
        on_bad_photo: Callable[[ImageError], object] = lambda error: None,
    ) -> None:
        self.shown = shown
        self.batch_size = batch_size
        keys = draw(photos.test, scored)
        masks = evaluation_masks("hole", len(keys), size, seed)
        pairs = []
        for key, mask in zip(keys, masks, strict=True):
            try:
                pairs.append((photos.load(key, size), mask))
            except ImageError as error:
                on_bad_photo(error)
        if not pairs:
            raise UserError(f"No test photograph of '{photos.where}' can be read.")
        self.truth, self.masks = (np.stack(each) for each in zip(*pairs, strict=True))
        self.inputs = generator.mask_mode.apply(self.truth, self.masks)
        options = {"return_attention": True} if generator.has_attention else {}
        self._fill = tf.function(lambda *pair: generator(pair, **options))

    def run(self) -> Seen:
        """Fill the photographs and score them."""
        count = len(self.truth)
        filled = [self._batch(start) for start in range(0, count, self.batch_size)]
        outputs = {
            name: np.concatenate([each[name] for each in filled])[:count] for name in filled[0]
        }
        columns = {"input": to_uint8(self.inputs)}
        for stage in ("coarse", "refined"):
            if stage in outputs:
                columns[stage] = np.where(self.masks == 1, to_uint8(outputs[stage]), self.truth)
        scores = {
            "val_mse": float(metrics.mse(self.truth, columns["refined"]).mean()),
            "val_l1": float(metrics.l1(self.truth, columns["refined"]).mean()),
        }
        columns["truth"] = self.truth
        if "offsets" in outputs:
            cells = flow_to_rgb(outputs["offsets"][: self.shown])
            columns["attention"] = cells.repeat(8, axis=1).repeat(8, axis=2)
        rows = zip(*(images[: self.shown] for images in columns.values()), strict=True)
        grid = image_grid(list(rows), column_titles=tuple(columns))
        stacked = (np.concatenate(columns[name][: self.shown]) for name in ("refined", "truth"))
        return Seen(scores, grid, *stacked)

    def _batch(self, start: int) -> dict[str, Any]:
        # The last batch is filled up from the beginning: of one size, they are one graph.
        part = np.arange(start, start + self.batch_size) % len(self.truth)
        masks = self.masks[part].astype("float32")
        return {name: value.numpy() for name, value in self._fill(self.inputs[part], masks).items()}
