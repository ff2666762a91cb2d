"""Navier-Stokes and TELEA of OpenCV as inpainters."""

from __future__ import annotations

from typing import Any

from inpaint_tf.inference.inpainter import Inpainter, Options, Prediction, UInt8
from inpaint_tf.masks import OPENCV_RADIUS, hole_window, opencv_inpaint
from inpaint_tf.model_source import CLASSICAL, ModelSource
from neuralgym_lite.errors import UserError, did_you_mean

# OpenCV does not read pixels further than this from a hole; passing them takes memory and time.
_MARGIN = 16  # pixels


class ClassicalInpainter(Inpainter):
    """OpenCV's inpainting with a radius of 3 pixels.

    Args:
        name: `"ns"` (Navier-Stokes) or `"telea"` (fast marching).
        detail: whether `fill` adds detail unless told otherwise, default False.

    Raises:
        UserError: If the name is unknown.

    Reference:
        Bertalmio et al., "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting", 2001;
        Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004.

    Example:
        >>> from inpaint_tf.inference import ClassicalInpainter
        >>> ClassicalInpainter("telea")
        ClassicalInpainter(name='telea', model='OpenCV telea', radius=3, detail=False)
    """

    def __init__(self, name: str, detail: bool = False) -> None:
        if name not in CLASSICAL:
            raise UserError(f"Unknown classical method: '{name}'. {did_you_mean(name, CLASSICAL)}")
        self.name = name
        self.source = ModelSource.find(name)
        self._detail = detail

    def _description(self) -> dict[str, Any]:
        return {"model": f"OpenCV {self.name}", "radius": OPENCV_RADIUS}

    def _predict(self, images: UInt8, masks: UInt8, options: Options) -> Prediction:
        filled = images.copy()
        for image, mask in zip(filled, masks, strict=True):
            if mask.any():
                window = hole_window(mask[..., 0], _MARGIN)
                image[window] = opencv_inpaint(image[window], mask[window], self.name)
        return filled, None
