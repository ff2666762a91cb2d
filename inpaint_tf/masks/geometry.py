"""Dilation of masks, bounding windows of holes, and crops of boxes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError

UInt8 = NDArray[np.uint8]


def dilated(mask: UInt8, pixels: int) -> UInt8:
    """Dilate a mask with a disk.

    Args:
        mask: `(H, W)` uint8, 1 where missing.
        pixels: radius of the disk, 0 or more.

    Returns:
        `(H, W)` uint8, 1 where a missing pixel is within that distance.

    Raises:
        UserError: if `pixels` is below 0.
    """
    if pixels < 0:
        raise UserError(f"A mask can grow by 0 pixels or more. Received: {pixels}")
    if not pixels or not mask.any():
        return mask
    around = hole_window(mask, min(pixels, sum(mask.shape)))
    far = cv2.distanceTransform(1 - mask[around], cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    wide = np.zeros_like(mask)
    wide[around] = far <= pixels
    return wide


def hole_window(mask: UInt8, margin: int) -> tuple[slice, slice]:
    """Return the slices of the bounding box of a mask `(H, W)` with at least one missing pixel.

    `margin` pixels are added on each side, as far as the image allows.
    """
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    return slice(top, rows[-1] + 1 + margin), slice(left, columns[-1] + 1 + margin)


def crop_boxes(images: Any, boxes: Any, height: int, width: int) -> Any:
    """Crop one box from each image. Differentiable and deterministic on every device.

    Args:
        images: `(B, H, W, C)`.
        boxes: `(B, 4)`, (top, left, height, width), inside the images. Only the first two are read.
        height: height of all crops in pixels, which are `(B, height, width, C)`.
        width: width of all crops in pixels.
    """
    from keras import ops  # here, because what fills without a network needs no Keras

    # Products with one-hot matrices are exact, and so are their gradients. The gradient of a gather
    # sums in an order that is not fixed.
    sizes = ops.shape(images)
    rows = boxes[:, 0, None] + ops.arange(height, dtype=boxes.dtype)
    columns = boxes[:, 1, None] + ops.arange(width, dtype=boxes.dtype)
    rows = ops.one_hot(rows, sizes[1], dtype=images.dtype)
    columns = ops.one_hot(columns, sizes[2], dtype=images.dtype)
    return ops.einsum("bwv,bhvc->bhwc", columns, ops.einsum("bhu,buvc->bhvc", rows, images))
