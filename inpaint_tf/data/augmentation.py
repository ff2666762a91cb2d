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

    def draw(self, size: int, rng: np.random.Generator) -> tuple[int, int, int, bool]:
        """Draw the window of a photograph of side `source_size(size)`, and whether it is flipped.

        The result depends only on the state of the random generator.

        Returns:
            (top, left, side, flipped). Without augmentation: the whole photograph, not flipped.
        """
        top, left, side = 0, 0, size
        if self.smallest_crop < 1:
            source = self.source_size(size)
            side = int(rng.integers(size, source + 1))
            top, left = (int(each) for each in rng.integers(0, source - side + 1, 2))
        return top, left, side, self.flip and bool(rng.random() < 0.5)

    def apply(
        self, photo: NDArray[np.uint8], size: int, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return a photograph of side `source_size(size)`, augmented to `size`.

        It is the photograph itself if no augmentation is enabled.
        """
        top, left, side, flipped = self.draw(size, rng)
        if self.smallest_crop < 1:
            window = photo[top : top + side, left : left + side]
            photo = cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)
        return photo[:, ::-1] if flipped else photo
