"""OpenCV's classical inpainting."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError

OPENCV_RADIUS = 3

UInt8 = NDArray[np.uint8]


class NothingKnownError(UserError):
    """A photograph has no known pixels for a method that needs some."""


def opencv_inpaint(image: UInt8, mask: UInt8, method: str) -> UInt8:
    """Fill the holes of a photograph with OpenCV.

    Images are 8-bit, because TELEA overflows on float images: its errors are ten times as large.

    Args:
        image: `(H, W, 3)` uint8.
        mask: `(H, W)` or `(H, W, 1)`, 1 where missing.
        method: `"ns"` (Bertalmio 2001) or `"telea"` (Telea 2004).

    Returns:
        `(H, W, 3)` uint8.

    Raises:
        NothingKnownError: if the mask covers everything. OpenCV would return the image unchanged.
    """
    if mask.all():
        raise NothingKnownError(
            f"everything is missing, and '{method}' needs known pixels around a hole"
        )
    flag = {"ns": cv2.INPAINT_NS, "telea": cv2.INPAINT_TELEA}[method]
    missing = np.ascontiguousarray(mask.reshape(image.shape[:2]).astype("uint8") * 255)
    filled = cv2.inpaint(np.ascontiguousarray(image), missing, OPENCV_RADIUS, flag)
    return np.asarray(filled, "uint8")
