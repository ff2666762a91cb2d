"""Mean squared error."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics._validate import per_image


def mse(
    truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return the mean squared difference of grey levels 0..255, over pixels and channels.

    Args:
        truth: uint8 (H, W, C) or (B, H, W, C).
        result: as `truth`.
        mask: 1 = missing, 0 = known, (H, W), (H, W, 1) or (B, H, W, 1). With it only the missing
            pixels count, without it the whole picture.

    Returns:
        One float64 in 0..65025 for each image, shape () or (B,).

    Raises:
        UserError: If a dtype or a shape is wrong, or a mask has no missing pixel.
    """
    return per_image(squared_error, truth, result, mask)


def squared_error(
    truth: npt.NDArray[np.float64],
    result: npt.NDArray[np.float64],
    missing: npt.NDArray[np.bool_] | None,
) -> float:
    """Return the mean squared error of one image (H, W, C), in `missing` (H, W) where given."""
    squares = (truth - result) ** 2
    return float((squares if missing is None else squares[missing]).mean())
