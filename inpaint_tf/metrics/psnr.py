"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics._validate import UInt8, per_image
from inpaint_tf.metrics.mse import squared_error


def psnr(
    truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return 10 log10(255^2 / MSE) in decibels; the peak is 255 whatever the picture holds.

    Args:
        truth: uint8 (H, W, C) or (B, H, W, C).
        result: as `truth`.
        mask: 1 = missing, 0 = known, (H, W), (H, W, 1) or (B, H, W, 1). With it the error is that
            of the missing pixels, without it that of the whole picture.

    Returns:
        One float64 from 0 for each image, +inf where there is no error; shape () or (B,).

    Raises:
        UserError: If a dtype or a shape is wrong, or a mask has no missing pixel.

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> result = truth + np.uint8(10)
        >>> inpaint_tf.metrics.psnr(truth, result)
        array([28.13080361, 28.13080361])
    """
    return per_image(_decibels, truth, result, mask)


def _decibels(truth: UInt8, result: UInt8, missing: UInt8 | None) -> float:
    error = squared_error(truth, result, missing)
    return 10 * math.log10(255**2 / error) if error else math.inf
