"""Mosaics: images that are reduced and enlarged again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INTERPOLATIONS = ("bilinear", "nearest")

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]


def mosaic(image: Any, unit: int, interpolation: str = "bilinear") -> Any:
    """Return the mosaic of float images `(B, H, W, C)`, with blocks of `unit` pixels.

    Both steps are products with small matrices, which run in any graph at any size. Where the size
    is not a multiple of the unit, a block may have one pixel more.
    """
    from keras import ops  # here, because what fills without a network needs no Keras

    for axis in (1, 2):
        size = ops.shape(image)[axis]
        static = isinstance(size, int)  # JAX compiles static sizes only
        count = max(size // unit, 1) if static else ops.maximum(size // unit, 1)
        down = _sampling_matrix(count, size, float(unit), interpolation)
        ratio = ops.cast(count, "float32") / ops.cast(size, "float32")
        up = _sampling_matrix(size, count, ratio, interpolation)
        both = ops.cast(ops.matmul(up, down), image.dtype)
        image = ops.einsum("ij,bjkc->bikc" if axis == 1 else "ij,bkjc->bkic", both, image)
    return image


def _sampling_matrix(rows: Any, columns: Any, step: Any, interpolation: str) -> Any:
    """Return the matrix that samples a line of `columns` pixels at `rows` positions."""
    from keras import ops

    place = ops.arange(rows, dtype="float32")
    source = ops.arange(columns, dtype="float32")
    if interpolation == "nearest":
        place = ops.floor(place * step)[:, None]
        return ops.cast(ops.equal(place, source), "float32")
    place = ops.clip((place + 0.5) * step - 0.5, 0.0, ops.cast(columns - 1, "float32"))
    return ops.relu(1.0 - ops.abs(place[:, None] - source))


def put_mosaic(images: Float, masks: UInt8, unit: int, interpolation: str) -> None:
    """Write the mosaic of images into their holes. Only the bounding box of these is computed."""
    missing = np.any(masks == 1, axis=(0, 3))
    if not missing.any():
        return
    sizes = np.array(images.shape[1:3], np.float32)
    counts = np.maximum(sizes // unit, 1)
    bounds = [np.flatnonzero(np.any(missing, axis=axis))[[0, -1]] for axis in (1, 0)]
    inside = (slice(None), *(slice(first, last + 1) for first, last in bounds))
    blocks = images
    for axis, count in enumerate(counts, start=1):
        blocks = _sampled(blocks, axis, np.arange(count), np.float32(unit), interpolation)
    for axis, (first, last) in enumerate(bounds, start=1):
        step = (counts / sizes)[axis - 1]
        blocks = _sampled(blocks, axis, np.arange(first, last + 1), step, interpolation)
    np.copyto(images[inside], blocks, where=masks[inside] == 1)


def _sampled(
    images: Float, axis: int, places: NDArray[Any], step: np.float32, interpolation: str
) -> Float:
    """Sample an axis at positions a `step` apart, like a product with `_sampling_matrix`."""
    last = images.shape[axis] - 1
    places = places.astype(np.float32)
    if interpolation == "nearest":
        return images.take(np.floor(places * step).astype(int), axis, mode="clip")
    places = np.clip((places + np.float32(0.5)) * step - np.float32(0.5), 0, last)
    before = np.floor(places).astype(int)
    share = (places - before).astype(np.float32)
    share = share.reshape([-1 if each == axis else 1 for each in range(images.ndim)])
    lines = images.take(before, axis, mode="clip")
    lines += share * (images.take(before + 1, axis, mode="clip") - lines)
    return lines
