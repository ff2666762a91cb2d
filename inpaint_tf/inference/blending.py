"""Poisson blending: the details of a fill in the colors of what surrounds it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]

TELEA_RADIUS = 1
# `seamlessClone` erodes its mask by 3 pixels, and takes pixels at the border of a picture out.
ERODED = 3
MARGIN = ERODED + 1
# How far beyond the border of a picture is solved for, in pixels: what is further has little say.
REACH = 256
# OpenCV's gradient at a pixel runs to its right and its lower neighbor.
_GRADIENT = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 0]], np.uint8)
_SMALLEST = int(_GRADIENT.sum())
_NEIGHBORS = np.ones((3, 3), np.uint8)
_GROWN = np.ones((2 * ERODED + 1, 2 * ERODED + 1), np.uint8)


def poisson_blend(filled: UInt8, mask: UInt8) -> UInt8:
    """Blend the filled holes of a photograph into what surrounds them.

    Within a hole the gradients of the fill are kept; across its edge they are those of OpenCV's
    TELEA, and a hole too thin to have gradients of its own is filled by TELEA alone. Where a hole
    meets the border of the photograph it is free, as if the photograph went on mirrored.

    Args:
        filled: photograph with its holes filled, uint8 of shape (H, W, 3).
        mask: 1 where it was missing, uint8 of shape (H, W).

    Returns:
        uint8 of shape (H, W, 3); known pixels as in `filled`. Where nothing is known, there is
        nothing to blend with, and the fill stays as it is.

    Reference:
        Perez et al., "Poisson Image Editing", 2003; as the last step of inpainting: Iizuka et al.,
        "Globally and Locally Consistent Image Completion", 2017.
    """
    if mask.all():
        return filled.copy()
    blended = np.asarray(cv2.inpaint(filled, mask, TELEA_RADIUS, cv2.INPAINT_TELEA), np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    # One hole at a time: within the box of what it solves, OpenCV lets known pixels drift as well.
    for label in range(1, count):
        left, top, width, height, area = map(int, boxes[label])
        if area < _SMALLEST:
            continue
        rows = _around(top, height, mask.shape[0])
        columns = _around(left, width, mask.shape[1])
        place = np.ix_(_mirrored(rows, mask.shape[0]), _mirrored(columns, mask.shape[1]))
        hole = labels[place] == label
        cloned = _clone(filled[place], blended[place], hole.astype(np.uint8))
        box = (_slice(top, height), _slice(left, width))
        inside = (_slice(top - rows.start, height), _slice(left - columns.start, width))
        blended[box][hole[inside]] = cloned[inside][hole[inside]]
    return np.where(mask[..., None] == 1, blended, filled)


def _clone(source: UInt8, target: UInt8, hole: UInt8) -> UInt8:
    """Return `target` with the gradients of `source` wherever they lie within the hole."""
    mask = cv2.dilate(cv2.erode(hole, _GRADIENT), _GROWN) * 255
    mask[[0, -1]] = mask[:, [0, -1]] = 0
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return target
    # First all of the hole alike. What OpenCV solves ends in the hole where that spans the
    # photograph, and its mask closes narrow gaps: there it relies on pixels that nearly agree.
    edge = hole & np.asarray(cv2.dilate(1 - hole, _NEIGHBORS), np.uint8)
    shift = (target.astype(np.float32) - source)[edge == 1].mean(axis=0)
    shifted = np.clip(np.rint(source + shift), 0, 255).astype(np.uint8)
    source = np.where(hole[..., None] == 1, shifted, target)
    target = np.where(edge[..., None] == 1, target, source)
    # OpenCV takes half the box off again, rounded down: the patch lands where it was.
    center = (left + width // 2, top + height // 2)
    return np.asarray(cv2.seamlessClone(source, target, mask, center, cv2.NORMAL_CLONE), np.uint8)


def _around(start: int, length: int, size: int) -> range:
    """Return the line that a hole is solved on: up to its margins, or to those of its reflection.

    Pixels below 0 and from the `size` of the photograph on are reflections.
    """
    stop = start + length
    first, last = start - MARGIN, stop + MARGIN
    return range(
        first if first >= 0 else -min(last, REACH),
        last if last <= size else size + min(size - first, REACH),
    )


def _mirrored(line: range, size: int) -> npt.NDArray[np.intp]:
    """Return which pixel of the photograph is seen at each place of a line."""
    place = np.arange(line.start, line.stop) % (2 * size)
    return np.minimum(place, 2 * size - 1 - place)


def _slice(start: int, length: int) -> slice:
    return slice(start, start + length)
