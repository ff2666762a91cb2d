"""Attention offsets as colors of the Middlebury color wheel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuralgym_lite.errors import UserError

ATTENTION_CELL = 8  # side of the square of pixels that has one offset
_CORNERS = np.array(
    [[255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255], [255, 0, 255]], float
)
_STEPS = (15, 6, 4, 11, 13, 6)  # more steps where the eye distinguishes hues better


def color_wheel() -> npt.NDArray[np.float64]:
    """Return the 55 hues of the Middlebury wheel.

    Returns:
        RGB rows in 0..255, shape (55, 3), from red through yellow, green and blue back to red.

    Reference:
        Baker et al., "A Database and Evaluation Methodology for Optical Flow", 2011.
    """
    segments = []
    for start, end, steps in zip(_CORNERS, np.roll(_CORNERS, -1, axis=0), _STEPS, strict=True):
        ramp = np.floor(255 * np.arange(steps) / steps)[:, None]
        segments.append(start + np.sign(end - start) * ramp)
    return np.concatenate(segments)


def flow_to_rgb(offsets: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Color each offset: hue is its direction, saturation its length.

    Each image is scaled by its own longest offset, so that its colors do not depend on the rest of
    the batch. A zero offset is white.

    Args:
        offsets: (dy, dx) from each position to the one that it attends to; shape (h, w, 2) or
            (B, h, w, 2).

    Returns:
        uint8 RGB, shape (h, w, 3) or (B, h, w, 3).

    Raises:
        UserError: If `offsets` has another shape.
    """
    if offsets.ndim not in (3, 4) or offsets.shape[-1] != 2:
        raise UserError(f"offsets must be (h, w, 2) or (B, h, w, 2), got shape {offsets.shape}")
    flow = offsets.astype(np.float64)
    longest = np.sqrt((flow**2).sum(axis=-1)).max(axis=(-2, -1), initial=0.0)
    flow /= longest[..., None, None, None] + np.finfo(float).eps

    wheel = color_wheel() / 255
    turn = np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi
    position = (turn + 1) / 2 * (len(wheel) - 1)
    lower = np.floor(position).astype(int)
    share = (position - lower)[..., None]
    hue = (1 - share) * wheel[lower] + share * wheel[(lower + 1) % len(wheel)]

    # The longest offset may be an ulp above 1 after rounding; its color would wrap around.
    radius = np.minimum(np.sqrt((flow**2).sum(axis=-1, keepdims=True)), 1.0)
    return np.floor(255 * (1 - radius * (1 - hue))).astype(np.uint8)


def attention_map(offsets: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Color the offsets of 8x8 pixels each, (h, w, 2), at the size of their photograph.

    Returns:
        uint8 RGB, shape (H, W, 3), for a photograph of `shape` (H, W, ...).
    """
    cells = flow_to_rgb(offsets)
    pixels = cells.repeat(ATTENTION_CELL, axis=0).repeat(ATTENTION_CELL, axis=1)
    return np.ascontiguousarray(pixels[: shape[0], : shape[1]])
