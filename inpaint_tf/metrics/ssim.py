"""Structural similarity."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics._validate import UInt8, per_image
from neuralgym_lite.errors import UserError

_WINDOW = 11
_RADIUS = _WINDOW // 2
_SIGMA = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2


def ssim(
    truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return the mean structural similarity (SSIM).

    Gaussian window 11x11, sigma 1.5, K1 0.01, K2 0.03, range 255, population covariance. Each
    channel is computed separately, then averaged. Only windows inside the image count.

    Args:
        truth: uint8 (H, W, C) or (B, H, W, C), at least 11x11.
        result: like `truth`.
        mask: 1 = missing, 0 = known; (H, W), (H, W, 1) or (B, H, W, 1). If given, only windows
            centered on a missing pixel count. Default: all windows count.

    Returns:
        One float64 in -1..1 for each image, 1 for equal images; shape () or (B,).

    Raises:
        UserError: If a dtype or a shape is wrong, an image is smaller than the window, or no
            window is centered on a missing pixel.

    Reference:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
        IEEE Transactions on Image Processing 13(4), 2004.

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> result = truth + np.uint8(10)
        >>> inpaint_tf.metrics.ssim(truth, result).round(3)
        array([0.995, 0.995])
    """
    return per_image(_similarity, truth, result, mask)


def _similarity(truth: UInt8, result: UInt8, missing: UInt8 | None) -> float:
    height, width, _ = truth.shape
    if min(height, width) < _WINDOW:
        raise UserError(f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels, got {height}x{width}")
    counted = np.ones((height, width), np.uint8) if missing is None else missing
    counted = counted[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    count = np.count_nonzero(counted)
    if not count:
        raise UserError(
            f"SSIM needs a missing pixel {_RADIUS} px or more from the border, mask has none"
        )
    # Most windows of a filled image are equal, and their similarity is exactly 1.
    rows, columns = _differing(truth, result)
    pixels = tuple(slice(part.start, part.stop + 2 * _RADIUS) for part in (rows, columns))
    similarity = _compare(truth[pixels].astype(np.float64), result[pixels].astype(np.float64))
    counted = counted[rows, columns]
    equal = count - np.count_nonzero(counted)
    similar = float(np.einsum("ijk,ij->", similarity, counted)) / similarity.shape[-1]
    return (similar + float(equal)) / count


def _differing(truth: UInt8, result: UInt8) -> tuple[slice, slice]:
    """Return the rows and columns of windows in which the images may differ, at least one."""
    height, width, channels = truth.shape
    difference = cv2.absdiff(truth, result).reshape(height, width * channels)
    left, top, breadth, length = cv2.boundingRect(difference)
    first, last = left // channels, (left + max(breadth, 1) - 1) // channels
    rows = slice(max(top - 2 * _RADIUS, 0), min(top + max(length, 1), height - 2 * _RADIUS))
    return rows, slice(max(first - 2 * _RADIUS, 0), min(last + 1, width - 2 * _RADIUS))


def _compare(
    truth: npt.NDArray[np.float64], result: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    mean_t, mean_r = _blur(truth), _blur(result)
    product, squares = mean_t * mean_r, mean_t**2 + mean_r**2
    covariance = _blur(truth * result) - product
    variances = _blur(truth**2 + result**2) - squares
    numerator = (2 * product + _C1) * (2 * covariance + _C2)
    return np.asarray(numerator / ((squares + _C1) * (variances + _C2)))


def _blur(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the Gaussian-weighted means of all windows inside the image."""
    blurred = cv2.GaussianBlur(image, (_WINDOW, _WINDOW), _SIGMA)
    shaped = np.asarray(blurred, np.float64).reshape(image.shape)
    return shaped[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
