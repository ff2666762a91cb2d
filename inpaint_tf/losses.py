"""Reconstruction losses."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from keras import ops
from numpy.typing import NDArray

from inpaint_tf.masks.geometry import hole_window
from neuralgym_lite.errors import UserError, did_you_mean

DISCOUNTS = ("known", "box")


def discount_weights(
    mask: NDArray[np.uint8], box: Any, gamma: float = 0.9, form: str = "known"
) -> NDArray[np.float32]:
    """Return the weights of the spatially discounted loss, which are lower deep inside a hole.

    Args:
        mask: `(H, W, 1)` uint8, 1 where missing.
        box: (top, left, height, width) around the hole.
        gamma: from 0 (excluded) to 1. The weight at distance d is `gamma ** d`.
        form: `"known"`: the distance to the nearest known pixel, at least 1, as in the paper's
            text; `"box"`: the distance to the edge of the box, at least 0, as in published code.

    Returns:
        `(H, W, 1)` float32, 0 where known. If all pixels are missing, the `"known"` weights are 1.

    Raises:
        UserError: if the form is unknown.

    Reference:
        Yu et al. 2018, section 3.2, "spatially discounted reconstruction loss".
    """
    if form not in DISCOUNTS:
        raise UserError(f"Unknown discount: '{form}'. {did_you_mean(form, DISCOUNTS)}")
    if gamma == 1:
        return mask.astype(np.float32)
    weights = np.zeros(mask.shape, "float32")
    if form == "known":
        if mask.all() or not mask.any():
            return mask.astype(np.float32)
        # The nearest known pixel is in the bounding box of the hole, or next to it.
        window = hole_window(mask[..., 0], 1)
        missing = np.ascontiguousarray(mask[window][..., 0])
        distance = cv2.distanceTransform(missing, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        weights[window] = mask[window] * gamma ** distance[..., None]
        return weights
    top, left, height, width = box
    weights[top : top + height, left : left + width, 0] = box_discount(height, width, gamma)
    return (weights * mask).astype(np.float32)


def box_discount(height: int, width: int, gamma: float = 0.9) -> NDArray[np.float32]:
    """Return `gamma ** distance` to the nearest edge of a box, `(height, width)` float32.

    As in published code, the distance is 0 in the first row and column and 1 in the last.
    """
    rows = np.minimum(np.arange(height), height - np.arange(height))[:, None]
    columns = np.minimum(np.arange(width), width - np.arange(width))
    return np.asarray(gamma ** np.minimum(rows, columns), "float32")


def discounted_l1(truth: Any, output: Any, weights: Any, area: int) -> Any:
    """Return the weighted L1 loss, averaged over boxes of `area` pixels.

    Args:
        truth: `(B, H, W, 3)`.
        output: `(B, H, W, 3)`.
        weights: `(B, H, W, 1)`, such as those of `discount_weights`.
        area: pixels of a box, the same for all samples.
    """
    total = ops.sum(ops.abs(truth - output) * weights)
    return total / ops.cast(ops.shape(truth)[0] * ops.shape(truth)[-1] * area, total.dtype)


def known_l1(truth: Any, output: Any, mask: Any, normalise: bool = False) -> Any:
    """Return the L1 loss over the known pixels, averaged over all pixels.

    Args:
        truth: `(B, H, W, 3)`.
        output: `(B, H, W, 3)`, not composited.
        mask: `(B, H, W, 1)`, 1 where missing.
        normalise: divide by the share of known pixels, as the 2018 release does.
    """
    known = 1 - ops.cast(mask, truth.dtype)
    loss = ops.mean(ops.abs(truth - output) * known)
    return loss / ops.mean(known) if normalise else loss


def hole_mse(truth: Any, output: Any, mask: Any) -> Any:
    """Return the squared error over the missing pixels, averaged over all pixels.

    This is the mean squared error of the composited image.

    Args:
        truth: `(B, H, W, 3)`.
        output: `(B, H, W, 3)`.
        mask: `(B, H, W, 1)`, 1 where missing.
    """
    return ops.mean(ops.square(truth - output) * ops.cast(mask, truth.dtype))


def overlap_mse(truth: Any, output: Any, mask: Any, pixels: int, weight: float) -> Any:
    """Return the mean squared error over the holes and a rim of known pixels around them.

    Args:
        truth: `(B, H, W, 3)`.
        output: `(B, H, W, 3)`, not composited.
        mask: `(B, H, W, 1)`, 1 where missing.
        pixels: width of the rim.
        weight: weight of a pixel in the rim. Pixels in the hole have weight 1.

    Returns:
        The weighted sum divided by the number of pixels in hole and rim, averaged over the batch.

    Reference:
        Pathak et al. 2016, section 3.2 and its released code.
    """
    mask = ops.cast(mask, truth.dtype)
    around = ops.max_pool(mask, 2 * pixels + 1, strides=1, padding="same")
    weights = mask + weight * (around - mask)
    squares = ops.sum(ops.square(truth - output) * weights, axis=(1, 2, 3))
    count = truth.shape[-1] * ops.sum(around, axis=(1, 2, 3))
    return ops.mean(squares / ops.maximum(count, 1.0))
