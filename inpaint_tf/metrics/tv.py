"""Total variation, and how far the result's is from the truth's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics._validate import per_image


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
    """
    return tv(truth, truth, mask) - tv(truth, result, mask)


def _variation(image: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_] | None) -> float:
    total = 0.0
    for axis in (0, 1):
        steps = np.abs(np.diff(image, axis=axis))
        if missing is not None:
            first, second = np.moveaxis(missing, axis, 0)[:-1], np.moveaxis(missing, axis, 0)[1:]
            steps = steps[np.moveaxis(first & second, 0, axis)]
        total += steps.mean() if steps.size else 0.0
    return float(total)
