"""Scores that are computed from pixels alone: MSE, L1, PSNR and total variation."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics._validate import UInt8, per_image

Images = npt.NDArray[Any]
Scores = npt.NDArray[np.float64]


def mse(truth: Images, result: Images, mask: Images | None = None) -> Scores:
    """Return the mean squared difference of gray levels 0..255, over pixels and channels.

    Args:
        truth: uint8 (H, W, C) or (B, H, W, C).
        result: like `truth`.
        mask: 1 = missing, 0 = known; (H, W), (H, W, 1) or (B, H, W, 1). If given, only the missing
            pixels count. Default: the whole image counts.

    Returns:
        One float64 in 0..65025 for each image, shape () or (B,).

    Raises:
        UserError: If a dtype or a shape is wrong, or a mask has no missing pixel.

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> inpaint_tf.metrics.mse(truth, truth + np.uint8(10))
        array([100., 100.])
    """
    return per_image(_squared_error, truth, result, mask)


def l1(truth: Images, result: Images, mask: Images | None = None) -> Scores:
    """Return the mean absolute difference of gray levels 0..255, over pixels and channels.

    Arguments and errors are those of `mse`.

    Returns:
        One float64 in 0..255 for each image, shape () or (B,).

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> inpaint_tf.metrics.l1(truth, truth + np.uint8(10))
        array([10., 10.])
    """
    return per_image(_absolute_error, truth, result, mask)


def psnr(truth: Images, result: Images, mask: Images | None = None) -> Scores:
    """Return the peak signal-to-noise ratio, 10 log10(255^2 / MSE), in decibels.

    The peak is 255 for every image. Arguments and errors are those of `mse`.

    Returns:
        One float64 from 0 up for each image, +inf if the images are equal; shape () or (B,).

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> inpaint_tf.metrics.psnr(truth, truth + np.uint8(10))
        array([28.13080361, 28.13080361])
    """
    return per_image(_decibels, truth, result, mask)


def tv(truth: Images, result: Images, mask: Images | None = None) -> Scores:
    """Return the total variation of the result, mean |dx| + mean |dy|, in gray levels 0..255.

    Each mean is over all pairs of neighbors along one axis, and over channels. Lower is smoother,
    not better: the best value is that of the true image.

    Arguments and errors are those of `mse`. Only the shape of `truth` is used. With a mask, only
    pairs of two missing pixels count; an axis without such a pair counts as 0.

    Returns:
        One float64 in 0..510 for each image, shape () or (B,).

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> inpaint_tf.metrics.tv(truth, truth + np.uint8(10))
        array([0., 0.])
    """
    return per_image(lambda _, result, missing: _variation(result, missing), truth, result, mask)


def tv_gap(truth: Images, result: Images, mask: Images | None = None) -> Scores:
    """Return the total variation of the truth minus that of the result; 0 is best.

    Arguments and errors are those of `tv`.

    Returns:
        One float64 in -510..510 for each image, positive if the result is too smooth; shape () or
        (B,).

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> inpaint_tf.metrics.tv_gap(truth, truth + np.uint8(10))
        array([0., 0.])
    """
    return tv(truth, truth, mask) - tv(truth, result, mask)


def _decibels(truth: UInt8, result: UInt8, missing: UInt8 | None) -> float:
    error = _squared_error(truth, result, missing)
    return 10 * math.log10(255**2 / error) if error else math.inf


def _variation(image: UInt8, missing: UInt8 | None) -> float:
    rows = np.s_[:-1], np.s_[1:]
    columns = np.s_[:, :-1], np.s_[:, 1:]
    return sum(_mean_step(image, missing, *pair) for pair in (rows, columns))


def _mean_step(image: UInt8, missing: UInt8 | None, first: Any, second: Any) -> float:
    """Return the mean difference of two parts of an image, 0 if there are no pairs."""
    both = None if missing is None else missing[first] & missing[second]
    if not (image[first].size if both is None else both.any()):
        return 0.0
    one, other = np.ascontiguousarray(image[first]), np.ascontiguousarray(image[second])
    return _absolute_error(one, other, both)


def _mean_norm(first: UInt8, second: UInt8, missing: UInt8 | None, kind: int) -> float:
    """Return a norm of the difference of two images, divided by the number of values that count.

    OpenCV adds bytes as integers, which is many times faster than NumPy in float64.
    """
    # Rounded, because OpenCV squares a square root: the sum of squares is an ulp off.
    if missing is None:
        return round(cv2.norm(first, second, kind)) / first.size
    count = np.count_nonzero(missing) * first.shape[-1]
    return round(cv2.norm(first, second, kind, missing)) / count


_squared_error = partial(_mean_norm, kind=cv2.NORM_L2SQR)
_absolute_error = partial(_mean_norm, kind=cv2.NORM_L1)
