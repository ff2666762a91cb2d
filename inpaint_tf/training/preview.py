"""A preview of a network in training: the same test photographs, filled and scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from inpaint_tf import metrics
from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.data.split import draw
from inpaint_tf.flow_colors import flow_to_rgb
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.models import InpaintingModel
from inpaint_tf.report.grid import image_grid
from inpaint_tf.training.config import TrainConfig
from neuralgym_lite.backend import compiled
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import ImageError, to_uint8

Image: TypeAlias = npt.NDArray[np.uint8]

SCORED = 64  # Photographs that are scored.
SHOWN = 16  # Of these, photographs in the grid.
BATCH_SIZE = 8


class Preview:
    """Fills the first test photographs of a data set.

    Args:
        generator: The network in training.
        photos: The data set.
        config: Settings of the run.
        on_bad_photo: Called with the error of each photograph that cannot be read. Such
            photographs are left out.

    Raises:
        UserError: If no photograph can be read.
    """

    def __init__(
        self,
        generator: InpaintingModel,
        photos: PhotoSet,
        config: TrainConfig,
        on_bad_photo: Callable[[ImageError], object] = lambda error: None,
    ) -> None:
        size = config.data.image_size
        keys = draw(photos.test, SCORED)
        masks = evaluation_masks("hole", len(keys), size, config.seed)
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
        self._fill = compiled(lambda *pair: generator(pair, **options), generator.variables)

    def run(self) -> tuple[dict[str, float], dict[str, Image]]:
        """Fill the photographs with the current weights, and score them.

        Returns:
            The mean MSE and L1 of the composited pictures; and the pictures `grid`, with a row for
            each of the first photographs, and `filled` and `truth`, with one below the other.
        """
        count = len(self.truth)
        filled = [self._batch(start) for start in range(0, count, BATCH_SIZE)]
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
            cells = flow_to_rgb(outputs["offsets"][:SHOWN])
            columns["attention"] = cells.repeat(8, axis=1).repeat(8, axis=2)
        rows = zip(*(images[:SHOWN] for images in columns.values()), strict=True)
        return scores, {
            "grid": image_grid(list(rows), column_titles=tuple(columns)),
            "filled": np.concatenate(columns["refined"][:SHOWN]),
            "truth": np.concatenate(self.truth[:SHOWN]),
        }

    def _batch(self, start: int) -> dict[str, Any]:
        # The last batch is filled up from the first photographs, so that all have one shape.
        part = np.arange(start, start + BATCH_SIZE) % len(self.truth)
        outputs = self._fill(self.inputs[part], self.masks[part].astype("float32"))
        return {name: np.asarray(value) for name, value in outputs.items()}
