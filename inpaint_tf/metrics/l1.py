"""Mean absolute error."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics._validate import UInt8, mean_norm, per_image


def l1(
    truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return the mean absolute difference of grey levels 0..255, over pixels and channels.

    Args:
        truth: uint8 (H, W, C) or (B, H, W, C).
        result: as `truth`.
        mask: 1 = missing, 0 = known, (H, W), (H, W, 1) or (B, H, W, 1). With it only the missing
            pixels count, without it the whole picture.

    Returns:
        One float64 in 0..255 for each image, shape () or (B,).

    Raises:
        UserError: If a dtype or a shape is wrong, or a mask has no missing pixel.

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> result = truth + np.uint8(10)
        >>> inpaint_tf.metrics.l1(truth, result)
        array([10., 10.])
    """
    return per_image(_absolute_error, truth, result, mask)


def _absolute_error(truth: UInt8, result: UInt8, missing: UInt8 | None) -> float:
    return mean_norm(truth, result, missing, cv2.NORM_L1)
