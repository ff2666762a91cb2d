"""Photographs varied at random, so that a network sees more than there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmentation:
    """Mirrors a photograph, and cuts it to a square window.

    Attributes:
        flip: mirror every other photograph on average.
        smallest_crop: smallest side of a window, as a share of the photograph's; 1 cuts nothing.
    """

    flip: bool = False
    smallest_crop: float = 1.0

    @property
    def varies(self) -> bool:
        """Whether there is anything to vary."""
        return self.flip or self.smallest_crop < 1

    def source_size(self, size: int) -> int:
        """Return the side of photographs whose smallest windows have `size` pixels."""
        return math.ceil(size / self.smallest_crop)

    def apply(
        self, photo: NDArray[np.uint8], size: int, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Vary a photograph.

        Args:
            photo: `(side, side, 3)` uint8 of `source_size(size)`.
            size: side of the result, in pixels.
            rng: two photographs with equal generators are varied alike.

        Returns:
            `(size, size, 3)` uint8; the photograph itself where there is nothing to vary.
        """
        if self.smallest_crop < 1:
            photo = self._cut(photo, size, rng)
        if self.flip and rng.random() < 0.5:
            photo = photo[:, ::-1]
        return photo

    def _cut(
        self, photo: NDArray[np.uint8], size: int, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        side = int(rng.integers(size, len(photo) + 1))
        top, left = (int(each) for each in rng.integers(0, len(photo) - side + 1, 2))
        window = photo[top : top + side, left : left + side]
        return cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)
