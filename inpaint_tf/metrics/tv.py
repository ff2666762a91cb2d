"""Total variation, and how far the result's is from the truth's."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics._validate import UInt8, mean_norm, per_image


def tv(
    truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return mean |dx| + mean |dy| of the result, in grey levels 0..255.

    Each mean is over all pairs of neighbours along its axis, and over channels. It says how busy
    a picture is: nearer to the truth's is better, lower is only smoother.

    Args:
        truth: uint8 (H, W, C) or (B, H, W, C); only its shape matters here.
        result: as `truth`.
        mask: 1 = missing, 0 = known, (H, W), (H, W, 1) or (B, H, W, 1). With it only pairs of two
            missing pixels count; an axis without such a pair counts 0.

    Returns:
        One float64 in 0..510 for each image, shape () or (B,).

    Raises:
        UserError: If a dtype or a shape is wrong, or a mask has no missing pixel.

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> result = truth + np.uint8(10)
        >>> inpaint_tf.metrics.tv(truth, result)
        array([0., 0.])
    """
    return per_image(lambda _, result, missing: _variation(result, missing), truth, result, mask)


def tv_gap(
    truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return the total variation of the truth less that of the result; 0 is best.

    Args:
        truth: uint8 (H, W, C) or (B, H, W, C).
        result: as `truth`.
        mask: as for `tv`.

    Returns:
        One float64 in -510..510 for each image, above 0 where the result is too smooth; shape ()
        or (B,).

    Raises:
        UserError: If a dtype or a shape is wrong, or a mask has no missing pixel.

    Example:
        >>> truth = np.full((2, 16, 16, 3), 100, np.uint8)
        >>> result = truth + np.uint8(10)
        >>> inpaint_tf.metrics.tv_gap(truth, result)
        array([0., 0.])
    """
    return tv(truth, truth, mask) - tv(truth, result, mask)


def _variation(image: UInt8, missing: UInt8 | None) -> float:
    rows = np.s_[:-1], np.s_[1:]
    columns = np.s_[:, :-1], np.s_[:, 1:]
    return sum(_mean_step(image, missing, *pair) for pair in (rows, columns))


def _mean_step(image: UInt8, missing: UInt8 | None, first: Any, second: Any) -> float:
    """Return the mean difference of two parts of an image, 0 where there are no pairs."""
    both = None if missing is None else missing[first] & missing[second]
    if not (image[first].size if both is None else both.any()):
        return 0.0
    one, other = np.ascontiguousarray(image[first]), np.ascontiguousarray(image[second])
    return mean_norm(one, other, both, cv2.NORM_L1)
