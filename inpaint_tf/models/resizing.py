"""Resizing inside a graph, with the numbers of Pillow's resizing of floats and OpenCV's bicubic."""

from __future__ import annotations

from functools import partial
from typing import Any

from keras import ops

_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}
_PILLOW_CUBIC, _OPENCV_CUBIC = -0.5, -0.75


def resize(images: Any, height: Any, width: Any, method: str) -> Any:
    """Resize float pictures as Pillow does, antialiased where they shrink.

    Args:
        images: `(B, H, W, C)` float32.
        height: of the result, in pixels.
        width: of the result, in pixels.
        method: `"bilinear"` or `"bicubic"`.

    Returns:
        `(B, height, width, C)` float32, not rounded.
    """
    return _along_both_axes(images, height, width, partial(_pillow_weights, method=method))


def enlarge(images: Any, height: Any, width: Any) -> Any:
    """Enlarge float pictures as OpenCV's `INTER_CUBIC` does, with weights that are exact to 1e-6.

    Args:
        images: `(B, H, W, C)` float32.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Returns:
        `(B, height, width, C)` float32.
    """
    return _along_both_axes(images, height, width, _opencv_weights)


def to_levels(values: Any) -> Any:
    """Round to whole grey levels in 0..255, still float32."""
    return ops.clip(ops.round(values), 0.0, 255.0)


def _along_both_axes(images: Any, height: Any, width: Any, weights: Any) -> Any:
    for axis, size, equation in ((2, width, "ij,bhjc->bhic"), (1, height, "ij,bjwc->biwc")):
        images = ops.einsum(equation, weights(size, ops.shape(images)[axis]), images)
    return images


def _centers(rows: Any, columns: Any) -> tuple[Any, Any]:
    """Return where each row lies on a line of `columns` pixels, and the pixels a row is wide."""
    scale = ops.cast(columns, "float32") / ops.cast(rows, "float32")
    return (ops.arange(rows, dtype="float32") + 0.5) * scale, scale


def _pillow_weights(rows: Any, columns: Any, method: str) -> Any:
    """Return the weights of `columns` pixels in each of `rows`, which add up to 1."""
    center, scale = _centers(rows, columns)
    stretch = ops.maximum(scale, 1.0)
    # Pillow leaves out what is further than the filter, in whole pixels.
    support = _SUPPORT[method] * stretch
    first = ops.maximum(ops.floor(center - support + 0.5), 0.0)
    last = ops.minimum(ops.floor(center + support + 0.5), ops.cast(columns, "float32"))
    pixel = ops.arange(columns, dtype="float32")
    distance = ops.abs((pixel + 0.5 - center[:, None]) / stretch)
    linear = method == "bilinear"
    weights = ops.relu(1 - distance) if linear else _cubic(distance, _PILLOW_CUBIC)
    inside = (pixel >= first[:, None]) & (pixel < last[:, None])
    weights = ops.where(inside, weights, 0.0)
    return weights / ops.sum(weights, axis=1, keepdims=True)


def _opencv_weights(rows: Any, columns: Any) -> Any:
    """Return the weights of four taps; those beyond the border fall on its pixel."""
    # Whole numbers, because a product of float32 is off by 1e-5 of a pixel, and so is the result.
    center = (2 * ops.arange(rows, dtype="int32") + 1) * columns + rows  # in 1 / (2 * rows)
    first = ops.cast(center // (2 * rows) - 1, "float32")
    beyond = ops.cast(center % (2 * rows), "float32") / ops.cast(2 * rows, "float32")
    pixel = ops.arange(columns, dtype="float32")
    total = 0.0
    for tap in (-1.0, 0.0, 1.0, 2.0):
        weight = _cubic(ops.abs(beyond - tap), _OPENCV_CUBIC)
        inside = ops.clip(first + tap, 0.0, ops.cast(columns, "float32") - 1)
        total += ops.where(ops.equal(pixel, inside[:, None]), weight[:, None], 0.0)
    return total


def _cubic(distance: Any, slope: float) -> Any:
    near = ((slope + 2) * distance - (slope + 3)) * distance**2 + 1
    far = slope * (((distance - 5) * distance + 8) * distance - 4)
    return ops.where(distance < 1, near, ops.where(distance < 2, far, 0.0))
