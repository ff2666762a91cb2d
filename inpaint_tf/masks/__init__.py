"""Masks, and the pixels that a network gets as input inside them.

A mask is 1 where pixels are missing and 0 where they are known. A box is (top, left, height,
width). It is the region that the local critic sees. The hole lies inside it and may be smaller.
"""

from inpaint_tf.masks.evaluation_masks import EVALUATION_KINDS, EvaluationMasks, evaluation_masks
from inpaint_tf.masks.geometry import crop_boxes, dilated, hole_window
from inpaint_tf.masks.hole_shape import HoleShape, box_mask, brush_mask
from inpaint_tf.masks.mask_mode import GREY, MODES, MaskMode
from inpaint_tf.masks.mosaic import INTERPOLATIONS, mosaic
from inpaint_tf.masks.opencv import OPENCV_RADIUS, NothingKnownError, opencv_inpaint

__all__ = [
    "EVALUATION_KINDS",
    "EvaluationMasks",
    "GREY",
    "HoleShape",
    "INTERPOLATIONS",
    "MODES",
    "MaskMode",
    "NothingKnownError",
    "OPENCV_RADIUS",
    "box_mask",
    "brush_mask",
    "crop_boxes",
    "dilated",
    "evaluation_masks",
    "hole_window",
    "mosaic",
    "opencv_inpaint",
]
