"""Fixed masks for evaluations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inpaint_tf.masks.hole_shape import HoleShape, box_mask
from neuralgym_lite.errors import check_name
from neuralgym_lite.seeds import generator

EVALUATION_KINDS = ("center", "hole", "strokes")

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class EvaluationMasks:
    """A sequence of fixed masks `(size, size, 1)` for evaluations, computed on access.

    Args:
        kind: `"center"`: a square in the middle, half as wide as the image; `"hole"`: a square of
            3/8 to 1/2 of the side at a random position, another one for each photograph;
            `"strokes"`: brush strokes inside such squares.
        count: number of masks.
        size: side of the masks in pixels.
        seed: seed of the random holes. Mask i depends on the seed, the size and i only.

    Raises:
        UserError: if `kind` is unknown.
    """

    kind: str
    count: int
    size: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_name("evaluation mask", self.kind, EVALUATION_KINDS)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> UInt8:
        if self.kind == "center":
            quarter, half = self.size // 4, self.size // 2
            return box_mask((quarter, quarter, half, half), self.size)
        half, brush = self.size // 2, float(self.kind == "strokes")
        shape = HoleShape(half, half, max_delta=self.size // 8, brush=brush)
        return shape.draw(generator(self.seed, "evaluation-mask", index), 1, self.size)[0][0]


def evaluation_masks(kind: str, count: int, size: int, seed: int = 0) -> UInt8:
    """Return the masks of `EvaluationMasks` as one array, `(count, size, size, 1)` uint8."""
    masks = EvaluationMasks(kind, count, size, seed)
    return np.array([masks[i] for i in range(count)], "uint8").reshape(count, size, size, 1)
