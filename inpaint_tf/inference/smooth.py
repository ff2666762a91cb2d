"""Holes in smooth surroundings: a flat background or an even gradient is continued."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.intp]

BAND = 8  # pixels around a hole that count as its surroundings
# Grey levels, root mean square, by which smooth surroundings may differ from a plane. Chosen on
# photographs (docs/results/faults.md).
SMOOTH = 3.0
CELLS = 512  # a side of the grid on which the remainder is interpolated, at most
STRIP = 64  # rows of a hole that are continued at once


def continue_smooth(image: UInt8, mask: UInt8) -> tuple[UInt8, UInt8]:
    """Fill the holes whose surroundings are smooth with the continuation of these.

    A network is trained on photographs, and paints something into a hole that has only one color
    or an even gradient around it. Such a hole gets a plane that is fitted to the known pixels near
    it, and what they differ from the plane by, interpolated.

    Args:
        image: photograph, uint8 of shape (H, W, 3).
        mask: 1 where it is missing, uint8 of shape (H, W).

    Returns:
        The photograph with such holes filled, and the mask of the other holes.
    """
    image, left = image.copy(), mask.copy()
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    for label in range(1, count):
        column, row, width, height = (int(edge) for edge in boxes[label, :4])
        box = (
            slice(max(row - BAND, 0), row + height + BAND),
            slice(max(column - BAND, 0), column + width + BAND),
        )
        hole = labels[box] == label
        near = cv2.dilate(hole.astype(np.uint8), np.ones((2 * BAND + 1,) * 2, np.uint8))
        if _continue(image[box], hole, (near == 1) & (mask[box] == 0)):
            left[box][hole] = 0
    return image, left


def _continue(picture: UInt8, hole: Bool, band: Bool) -> bool:
    """Continue the pixels of a band in a hole, in place; return whether they are smooth."""
    # As many pixels as along one side of a square hole of this area: fewer tell too little.
    if band.sum() < max(BAND * math.sqrt(hole.sum()), 1):
        return False
    here = np.argwhere(band)
    # Across a much wider hole a narrow band tells no slope: rounding alone would make one.
    extent = [np.ptp(np.flatnonzero(hole.any(axis))) for axis in (1, 0)]
    slopes = 2 * np.ptp(here, axis=0) >= np.array(extent)
    levels = picture[band].astype(np.float64)
    plane = np.linalg.lstsq(_plane_terms(here, slopes), levels, rcond=None)[0]
    remainder = levels - _plane_terms(here, slopes) @ plane
    if np.square(remainder).mean(axis=0).max() > SMOOTH**2:
        return False
    step = -(-max(hole.shape) // CELLS)
    field = _field(remainder, here // step, tuple(-(-side // step) for side in hole.shape))
    for top in range(0, len(hole), STRIP):
        part = hole[top : top + STRIP]
        places = np.argwhere(part) + (top, 0)
        levels = _plane_terms(places, slopes) @ plane + _enlarged(field, step, top, part)
        picture[top : top + STRIP][part] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return True


def _plane_terms(places: Int, slopes: Bool) -> Float64:
    """Return what a plane is made of at places (N, 2): a constant, and coordinates with a slope."""
    return np.column_stack([np.ones(len(places)), places * slopes])


def _field(values: Float64, cells: Int, shape: tuple[int, ...]) -> Float32:
    """Interpolate the values (N, 3) of some cells (N, 2) smoothly over a grid of them."""
    index = np.ravel_multi_index(tuple(cells.T), shape)
    counts = np.bincount(index, minlength=math.prod(shape)).reshape(shape)
    sums = [np.bincount(index, each, math.prod(shape)).reshape(shape) for each in values.T]
    means = np.stack(sums, axis=-1) / np.maximum(counts, 1)[..., None]
    return _from_half(means.astype(np.float32), (counts > 0).astype(np.float32))


def _from_half(picture: Float32, weights: Float32) -> Float32:
    """Fill what has no weight from the picture of half the size, which is made the same way."""
    if max(weights.shape) <= 2 or weights.all():
        return picture
    lower_weights = np.asarray(cv2.pyrDown(weights))
    sums = np.asarray(cv2.pyrDown(picture * weights[..., None]))
    means = np.asarray(sums / np.maximum(lower_weights, 1e-6)[..., None], np.float32)
    lower = _from_half(means, np.minimum(4 * lower_weights, 1).astype(np.float32))
    upper = cv2.pyrUp(lower, dstsize=weights.shape[::-1])
    return np.asarray(upper + weights[..., None] * (picture - upper), np.float32)


def _enlarged(field: Float32, step: int, top: int, part: Bool) -> Float32:
    """Return the values (N, 3) of a field, of cells of so many pixels, in some rows of a hole."""
    center = (0.5 / step) - 0.5
    to_cells = np.array([[1 / step, 0, center], [0, 1 / step, center + top / step]])
    rows = cv2.warpAffine(
        field,
        to_cells,
        part.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(rows, np.float32)[part]
