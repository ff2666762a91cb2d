"""The reduced photograph that a page shows: each of its pixels is a square of the full one."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from inpaint_tf.inference.conversion import UInt8

SHOWN = 2_500_000  # pixels of a page's canvas, at most


class Box(NamedTuple):
    """A rectangle (left, top, right, bottom), in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def reduced(self, factor: int) -> Box:
        """Return the pixels of the reduced photograph that are touched."""
        return Box(
            self.left // factor,
            self.top // factor,
            -(-self.right // factor),
            -(-self.bottom // factor),
        )

    def enlarged(self, factor: int, width: int, height: int) -> Box:
        """Return the pixels of a full photograph of a size."""
        right, bottom = min(self.right * factor, width), min(self.bottom * factor, height)
        return Box(self.left * factor, self.top * factor, right, bottom)


def factor_of(width: int, height: int) -> int:
    """Return the side of the square of a photograph that is one pixel of its page."""
    return math.ceil(math.sqrt(width * height / SHOWN))


def reduced(pixels: UInt8, factor: int) -> UInt8:
    """Return the means of the squares of an image (H, W) or (H, W, C); those at edges are cut.

    A part that begins at a multiple of the factor gives what the whole image gives there.
    """
    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    beyond = -height % factor, -width % factor
    if any(beyond):
        edge = cv2.BORDER_REPLICATE
        pixels = cv2.copyMakeBorder(pixels, 0, beyond[0], 0, beyond[1], edge).astype(np.uint8)
    size = pixels.shape[1] // factor, pixels.shape[0] // factor
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def covered(mask: UInt8, factor: int) -> UInt8:
    """Return the squares of a mask (H, W) of 0 and 1 that have a missing pixel."""
    if factor == 1:
        return mask
    height, width = mask.shape
    padded = np.pad(mask, ((0, -height % factor), (0, -width % factor)))
    rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
    return padded.reshape(rows, factor, columns, factor).max(axis=(1, 3))


def enlarged(mask: UInt8, factor: int, width: int, height: int) -> UInt8:
    """Return a reduced mask at full size: a square is missing as a whole or not at all."""
    full = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    return np.ascontiguousarray(full[:height, :width])


def bounding_box(mask: UInt8) -> Box:
    """Return the bounding box of a mask (H, W) with at least one missing pixel."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
