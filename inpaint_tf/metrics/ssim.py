"""Structural similarity."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics._validate import per_image
from neuralgym_lite.errors import UserError

_WINDOW = 11
_SIGMA = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2


def ssim(
    truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return the mean structural similarity of the pictures.

    Gaussian window 11x11, sigma 1.5, K1 0.01, K2 0.03, range 255, population covariance; each
    channel by itself, then averaged; only where the window lies inside the picture.

    Args:
        truth: uint8 (H, W, C) or (B, H, W, C), at least 11x11.
        result: as `truth`.
        mask: 1 = missing, 0 = known, (H, W), (H, W, 1) or (B, H, W, 1). With it the mean is over
            the windows centred on a missing pixel, without it over all.

    Returns:
        One float64 in -1..1 for each image, 1 for equal pictures; shape () or (B,).

    Raises:
        UserError: If a dtype or a shape is wrong, a picture is smaller than the window, or no
            window is centred on a missing pixel.

    Reference:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
        IEEE Transactions on Image Processing 13(4), 2004.
    """
    return per_image(_similarity, truth, result, mask)


def _similarity(
    truth: npt.NDArray[np.float64],
    result: npt.NDArray[np.float64],
    missing: npt.NDArray[np.bool_] | None,
) -> float:
    height, width, _ = truth.shape
    if min(height, width) < _WINDOW:
        raise UserError(f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels, got {height}x{width}")
    mean_t, mean_r = _blur(truth), _blur(result)
    variances = _blur(truth**2) - mean_t**2 + _blur(result**2) - mean_r**2
    covariance = _blur(truth * result) - mean_t * mean_r
    similarity = ((2 * mean_t * mean_r + _C1) * (2 * covariance + _C2)) / (
        (mean_t**2 + mean_r**2 + _C1) * (variances + _C2)
    )
    if missing is None:
        return float(similarity.mean())
    inside = missing[_inside(height), _inside(width)]
    if not inside.any():
        raise UserError(
            f"SSIM needs a missing pixel {_WINDOW // 2} px or more from the border, mask has none"
        )
    return float(similarity[inside].mean())


def _blur(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the Gaussian means of all windows inside the image."""
    height, width, _ = image.shape
    blurred = np.asarray(cv2.GaussianBlur(image, (_WINDOW, _WINDOW), _SIGMA), np.float64)
    return blurred.reshape(image.shape)[_inside(height), _inside(width)]


def _inside(length: int) -> slice:
    return slice(_WINDOW // 2, length - _WINDOW // 2)
