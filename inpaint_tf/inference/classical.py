"""Navier-Stokes and TELEA of OpenCV as inpainters."""

from __future__ import annotations

from inpaint_tf.inference.inpainter import Inpainter, UInt8
from inpaint_tf.masks import hole_window, opencv_inpaint
from neuralgym_lite.errors import UserError, did_you_mean

METHODS = ("ns", "telea")
# What lies further from a hole than OpenCV looks is not shown to it: it takes memory and time.
_SEEN = 16  # pixels


class ClassicalInpainter(Inpainter):
    """OpenCV's inpainting with a radius of 3 pixels.

    Args:
        name: `"ns"` (Navier-Stokes) or `"telea"` (fast marching).

    Raises:
        UserError: If the name is unknown.

    Reference:
        Bertalmio et al., "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting", 2001;
        Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004.
    """

    def __init__(self, name: str) -> None:
        if name not in METHODS:
            raise UserError(f"Unknown classical method: '{name}'. {did_you_mean(name, METHODS)}")
        self.name = name

    def _predict(self, images: UInt8, masks: UInt8) -> UInt8:
        filled = images.copy()
        for image, mask in zip(filled, masks, strict=True):
            if mask.any():
                around = hole_window(mask[..., 0], _SEEN)
                image[around] = opencv_inpaint(image[around], mask[around], self.name)
        return filled
