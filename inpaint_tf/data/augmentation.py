"""Random augmentation of photographs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmentation:
    """Flips a photograph horizontally, and crops it to a random square.

    Attributes:
        flip: whether to flip with a probability of 0.5.
        smallest_crop: smallest side of a crop, as a share of the photograph's side; 1 crops
            nothing.
    """

    flip: bool = False
    smallest_crop: float = 1.0

    @property
    def varies(self) -> bool:
        """Whether any augmentation is enabled."""
        return self.flip or self.smallest_crop < 1

    def source_size(self, size: int) -> int:
        """Return the side of photographs whose smallest crops have `size` pixels."""
        return math.ceil(size / self.smallest_crop)

    def apply(
        self, photo: NDArray[np.uint8], size: int, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return a photograph of side `source_size(size)`, augmented to `size`.

        The result depends only on the state of the random generator. It is the photograph itself
        if no augmentation is enabled.
        """
        if self.smallest_crop < 1:
            photo = self._crop(photo, size, rng)
        if self.flip and rng.random() < 0.5:
            photo = photo[:, ::-1]
        return photo

    def _crop(
        self, photo: NDArray[np.uint8], size: int, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        side = int(rng.integers(size, len(photo) + 1))
        top, left = (int(each) for each in rng.integers(0, len(photo) - side + 1, 2))
        window = photo[top : top + side, left : left + side]
        return cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)
