"""Checks that all metrics share, and the loop over a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from neuralgym_lite.errors import UserError

UInt8 = npt.NDArray[np.uint8]
OneImage = Callable[[UInt8, UInt8, UInt8 | None], float]


def per_image(
    score: OneImage,
    truth: npt.NDArray[Any],
    result: npt.NDArray[Any],
    mask: npt.NDArray[Any] | None,
) -> npt.NDArray[np.float64]:
    """Score each image separately, so that no score depends on the rest of the batch.

    Args:
        score: function of one image: truth and result, uint8 (H, W, C), and a mask, uint8 (H, W),
            1 = missing, or None for the whole image.
        truth: see `mse`, as are the other arguments and the errors.
        result: like `truth`.
        mask: 1 = missing, 0 = known; None for the whole images.

    Returns:
        float64 scores, shape () or (B,).
    """
    _check_images(truth, result)
    missing = None if mask is None else _missing(mask, truth.shape)
    batch = truth.shape[:-3]
    scores = np.empty(batch, np.float64)
    for index in np.ndindex(batch):
        scores[index] = score(
            np.ascontiguousarray(truth[index]),
            np.ascontiguousarray(result[index]),
            None if missing is None else missing[index],
        )
    return scores


def _check_images(truth: npt.NDArray[Any], result: npt.NDArray[Any]) -> None:
    for name, images in (("truth", truth), ("result", result)):
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            kind = getattr(images, "dtype", type(images).__name__)
            raise UserError(f"{name} must be a uint8 array of gray levels 0..255, got {kind}")
    if truth.ndim not in (3, 4) or 0 in truth.shape[-3:]:
        raise UserError(f"truth must be (H, W, C) or (B, H, W, C), got shape {truth.shape}")
    if truth.shape != result.shape:
        raise UserError(
            f"truth and result must have one shape, got {truth.shape} and {result.shape}"
        )


def _missing(mask: npt.NDArray[Any], shape: tuple[int, ...]) -> UInt8:
    """Return 1 where a pixel is missing, shape (H, W) or (B, H, W)."""
    plane = shape[-3:-1]
    if mask.shape not in (plane, (*plane, 1), (*shape[:-1], 1)):
        raise UserError(
            f"mask must be {(*shape[:-1], 1)} or {plane} for images {shape}, got {mask.shape}"
        )
    missing = mask == 1
    if not (missing | (mask == 0)).all():
        raise UserError(
            f"mask must hold 0 (known) and 1 (missing) only, got values up to {mask.max()}"
        )
    missing = np.broadcast_to(missing.reshape(-1, *plane), (math.prod(shape[:-3]), *plane))
    empty = np.flatnonzero(~missing.any(axis=(1, 2)))
    if empty.size:
        raise UserError(f"mask {empty[0]} has no missing pixel: leave it out to score the picture")
    return missing.reshape(shape[:-1]).astype(np.uint8)
