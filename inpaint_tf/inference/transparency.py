"""Transparent pixels: their colors are arbitrary, and must not get into a hole."""

from __future__ import annotations

import cv2
import numpy as np

from inpaint_tf.inference.conversion import UInt8
from inpaint_tf.masks import hole_window
from neuralgym_lite.images import Picture

_NEAR = 64  # pixels around the holes


def visible_colors(picture: Picture, mask: UInt8) -> UInt8:
    """Return the colors of a picture, with others where it is known but fully transparent.

    Such a pixel gets the color of the nearest known pixel that is visible; far from the holes the
    mean color, which takes less memory.

    Args:
        picture: of size (H, W).
        mask: 1 where the picture is missing, uint8 of shape (H, W).

    Returns:
        RGB, uint8 of shape (H, W, 3); `picture.rgb` itself if nothing had to be replaced.
    """
    if picture.alpha is None:
        return picture.rgb
    hidden = (picture.alpha == 0) & (mask == 0)
    visible = (picture.alpha > 0) & (mask == 0)
    if not (hidden.any() and visible.any()):
        return picture.rgb
    rgb = picture.rgb.copy()
    rgb[hidden] = np.rint(cv2.mean(picture.rgb, visible.view(np.uint8))[:3])
    near = hole_window(mask, _NEAR)
    if visible[near].any():
        _, places = cv2.distanceTransformWithLabels(
            1 - visible[near].view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        colors = np.empty((places.max() + 1, 3), np.uint8)
        colors[places[visible[near]]] = picture.rgb[near][visible[near]]
        rgb[near][hidden[near]] = colors[places[hidden[near]]]
    return rgb
