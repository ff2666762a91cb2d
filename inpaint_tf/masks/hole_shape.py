"""Random holes for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class HoleShape:
    """Distribution of random holes: their box, and the hole inside the box.

    Args:
        height: height of the box in pixels.
        width: width of the box in pixels.
        max_delta: the hole is up to this many pixels smaller than its box in each direction, and
            centered in it.
        margin: distance in pixels that the box keeps from the border of the image.
        same_box: whether all images of a batch share one box. Their holes still differ.
        centered: whether the box is always in the middle of the image.
        brush: share of holes, from 0 to 1, that are brush strokes instead of a rectangle.

    Reference:
        Yu et al. 2018 train on 256x256 pixels with boxes of 128x128, max_delta 32 and margin 0.
        Brush strokes follow Yu et al. 2019, "Free-Form Image Inpainting with Gated Convolution"
        (arxiv.org/abs/1806.03589).
    """

    height: int
    width: int
    max_delta: int = 0
    margin: int = 0
    same_box: bool = True
    centered: bool = False
    brush: float = 0.0

    def check(self, size: int) -> None:
        """Raise a UserError if the hole does not fit into an image of `size` pixels."""
        for name, side in (("height", self.height), ("width", self.width)):
            if side < 1 or side + 2 * self.margin > size:
                raise UserError(
                    f"The hole does not fit: its {name} is {side} pixels with a margin of "
                    f"{self.margin}, and the image has {size} pixels. "
                    f"Choose at most {size - 2 * self.margin}."
                )
            if not 0 <= self.max_delta < side:
                raise UserError(
                    f"The hole's max_delta must be at least 0 and below its {name} of {side} "
                    f"pixels. Received: {self.max_delta}"
                )
        if not 0 <= self.brush <= 1:
            raise UserError(f"The share of strokes must be from 0 to 1. Received: {self.brush}")

    def draw(
        self, rng: np.random.Generator, batch: int, size: int
    ) -> tuple[UInt8, NDArray[np.int32]]:
        """Sample masks `(batch, size, size, 1)` uint8 and their boxes `(batch, 4)` int32."""
        boxes = self.draw_boxes(rng, batch, size)
        shrink = rng.integers(0, self.max_delta // 2 + 1, (batch, 2))
        holes = boxes + np.concatenate([shrink, -2 * shrink], axis=1)
        # Without a brush no random number is drawn, so that earlier runs have the same masks.
        brushed = rng.random(batch) < self.brush if self.brush else np.zeros(batch, bool)
        masks = [
            brush_mask(hole, size, rng) if strokes else box_mask(hole, size)
            for hole, strokes in zip(holes, brushed, strict=True)
        ]
        return np.stack(masks), boxes

    def draw_boxes(self, rng: np.random.Generator, batch: int, size: int) -> NDArray[np.int32]:
        """Sample boxes `(batch, 4)` int32."""
        count = 1 if self.same_box else batch
        boxes = np.empty((batch, 4), "int32")
        boxes[:, 0] = self._place(rng, count, size, self.height)
        boxes[:, 1] = self._place(rng, count, size, self.width)
        boxes[:, 2:] = self.height, self.width
        return boxes

    def _place(self, rng: np.random.Generator, count: int, size: int, side: int) -> Any:
        if self.centered:
            return (size - side) // 2
        last = size - self.margin - side
        return rng.integers(self.margin, max(last, self.margin + 1), count)


def box_mask(box: Any, size: int) -> UInt8:
    """Return the mask `(size, size, 1)` uint8 of a box (top, left, height, width)."""
    top, left, height, width = box
    mask = np.zeros((size, size, 1), "uint8")
    mask[top : top + height, left : left + width] = 1
    return mask


def brush_mask(box: Any, size: int, rng: np.random.Generator) -> UInt8:
    """Return a mask `(size, size, 1)` uint8 of one to six bent strokes inside a box.

    Their widths are log-uniform from 1/64 to 1/4 of the box's smaller side.
    """
    top, left, height, width = box
    side = min(height, width)
    canvas = np.zeros((height, width), "uint8")
    for _ in range(rng.integers(1, 7)):
        thickness = max(round(side * np.exp(rng.uniform(np.log(1 / 64), np.log(1 / 4)))), 1)
        turns = rng.uniform(-1, 1, rng.integers(3, 9))
        angles = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
        lengths = side * rng.uniform(0.15, 0.5, len(angles))
        steps = lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        points = rng.uniform((0, 0), (width, height)) + np.cumsum(steps, axis=0)
        # A stroke that leaves the box is reflected at its border.
        last = np.maximum([width - 1, height - 1], 1)
        points = (last - np.abs(points % (2 * last) - last)).round().astype(np.int32)
        cv2.polylines(canvas, [points], False, 1, thickness)
    mask = np.zeros((size, size, 1), "uint8")
    mask[top : top + height, left : left + width, 0] = canvas
    return mask
