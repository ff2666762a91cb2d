"""Resizing in the graph, by the numbers of Pillow's."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}
_CUBIC = -0.5  # Pillow's


def resize(images: tf.Tensor, height: Any, width: Any, method: str) -> tf.Tensor:
    """Resize pictures as Pillow resizes floats, antialiased where they shrink.

    Args:
        images: `(B, H, W, C)`, uint8 or float32.
        height: of the result, in pixels.
        width: of the result, in pixels.
        method: `"bilinear"` or `"bicubic"`.

    Returns:
        `(B, height, width, C)` of the same dtype; uint8 is rounded once.
    """
    resized = tf.cast(images, tf.float32)
    for axis, size, equation in ((2, width, "ij,bhjc->bhic"), (1, height, "ij,bjwc->biwc")):
        matrix = _matrix(size, tf.shape(images)[axis], method)
        resized = tf.einsum(equation, matrix, resized)
    if images.dtype == tf.uint8:
        resized = tf.clip_by_value(tf.round(resized), 0, 255)
    return tf.cast(resized, images.dtype)


def _matrix(rows: Any, columns: Any, method: str) -> tf.Tensor:
    """Return the weights of `columns` pixels in each of `rows`, which add up to 1."""
    scale = tf.cast(columns, tf.float32) / tf.cast(rows, tf.float32)
    stretch = tf.maximum(scale, 1.0)
    center = (tf.range(tf.cast(rows, tf.float32)) + 0.5) * scale
    # Pillow leaves out what is further than the filter, in whole pixels.
    support = _SUPPORT[method] * stretch
    first = tf.maximum(tf.floor(center - support + 0.5), 0.0)
    last = tf.minimum(tf.floor(center + support + 0.5), tf.cast(columns, tf.float32))
    pixel = tf.range(tf.cast(columns, tf.float32))
    weights = _filter((pixel + 0.5 - center[:, None]) / stretch, method)
    inside = (pixel >= first[:, None]) & (pixel < last[:, None])
    weights = tf.where(inside, weights, 0.0)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def _filter(distance: tf.Tensor, method: str) -> tf.Tensor:
    distance = tf.abs(distance)
    if method == "bilinear":
        return tf.nn.relu(1 - distance)
    near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance**2 + 1
    far = _CUBIC * (((distance - 5) * distance + 8) * distance - 4)
    return tf.where(distance < 1, near, tf.where(distance < 2, far, 0.0))
