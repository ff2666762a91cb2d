"""What an image and a mask may be, and how each becomes the arrays that an inpainter works on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from inpaint_tf.masks import dilated
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import MID_GREY, Picture, from_pillow, levels_of, read_picture, to_pillow

if TYPE_CHECKING:
    import tensorflow as tf

UInt8: TypeAlias = npt.NDArray[np.uint8]
ImageFile: TypeAlias = "str | os.PathLike[str]"
ImageLike: TypeAlias = "ImageFile | Image.Image | Picture | UInt8 | tf.Tensor"
MaskLike: TypeAlias = "ImageFile | Image.Image | Picture | npt.NDArray[Any] | tf.Tensor"

MIN_SIDE = 8  # pixels


def as_picture(image: ImageLike | MaskLike) -> Picture | None:
    """Return the picture in a file or a Pillow image; None for arrays and tensors.

    Raises:
        ImageError: If the file cannot be read.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, Image.Image):
        return from_pillow(image)
    return read_picture(image) if isinstance(image, (str, os.PathLike)) else None


def picture_like(picture: Picture, image: ImageLike) -> Picture | Image.Image:
    """Return a picture as a `Picture` if `image` is one, else as a Pillow image."""
    return picture if isinstance(image, Picture) else to_pillow(picture)


def as_array(value: ImageLike | MaskLike, what: str) -> npt.NDArray[Any]:
    """Return an array or a tensor as an array.

    Args:
        value: what was given.
        what: the name of the argument, for the message.

    Raises:
        UserError: If it is of no known type, or a tensor inside of a `tf.function`.
    """
    if isinstance(value, np.ndarray):
        return value
    if not _is_tensor(value):
        raise UserError(
            f"`{what}` must be a path, a PIL image, a NumPy array or a TensorFlow tensor. "
            f"Received: {type(value).__name__}"
        )
    try:
        return np.asarray(value)
    except NotImplementedError:
        raise UserError(
            f"`{what}` is a symbolic tensor: call `fill` outside of a tf.function"
        ) from None


def array_like(array: UInt8, image: ImageLike) -> UInt8 | tf.Tensor:
    """Return an array as a tensor if `image` is one."""
    return sys.modules["tensorflow"].convert_to_tensor(array) if _is_tensor(image) else array


def as_images(image: npt.NDArray[Any]) -> UInt8:
    """Return an image or a batch as a batch (B, H, W, 3).

    Raises:
        UserError: If it is not RGB, not uint8 or too small.
    """
    if image.dtype != np.uint8:
        raise UserError(f"The image must be uint8 with values 0..255. Received: {image.dtype}")
    if image.ndim not in (3, 4) or image.shape[-1] != 3:
        raise UserError(
            "The image must be RGB of shape (height, width, 3) or (batch, height, width, 3); one "
            f"that is grey or has alpha can be a PIL image or a path. Received: {image.shape}"
        )
    height, width = image.shape[-3:-1]
    if min(height, width) < MIN_SIDE:
        raise UserError(
            f"The image must have at least {MIN_SIDE} pixels a side. "
            f"Received: {width}x{height} (width x height)"
        )
    return image.reshape(-1, height, width, 3)


def as_masks(mask: MaskLike, images: UInt8, invert: bool = False, grow: int = 0) -> UInt8:
    """Return masks of 0 and 1, of shape (B, H, W, 1), for a batch of images.

    Args:
        mask: one mask for all images, or a batch of masks.
        images: uint8 of shape (B, H, W, 3).
        invert: whether the image is missing where the mask says that it is known.
        grow: pixels, 0 or more, by which the holes are dilated afterwards.

    Raises:
        UserError: If the mask cannot be read, has another size than the images, or has values that
            do not say what is missing.
    """
    picture = as_picture(mask)
    if picture is None:
        masks = _thresholded(as_array(mask, "mask"), images.shape)
        masks = 1 - masks if invert else masks
    else:  # what is transparent is known either way
        masks = _thresholded(levels_of(picture, invert), images.shape)
    if grow:
        masks = np.stack([dilated(each[..., 0], grow) for each in masks])[..., None]
    return masks


def _is_tensor(value: object) -> bool:
    # Where TensorFlow has not been imported nothing is one of its tensors.
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and bool(tensorflow.is_tensor(value))


def _thresholded(mask: npt.NDArray[Any], shape: tuple[int, ...]) -> UInt8:
    batch, height, width, _ = shape
    known_shapes = (
        (height, width),
        (height, width, 1),
        (1, height, width, 1),
        (batch, height, width, 1),
    )
    if mask.shape not in known_shapes:
        turned = " Is one of them not upright? See `PIL.ImageOps.exif_transpose`."
        hint = turned if mask.shape == (width, height) != (height, width) else ""
        raise UserError(
            f"The mask must have the size of its image, {width}x{height} (width x height), and one "
            f"channel: shape {known_shapes[1]} or {known_shapes[-1]}. Received: {mask.shape}{hint}"
        )
    if mask.dtype.kind not in "buif":
        raise UserError(f"The mask must be bool, integer or float. Received: {mask.dtype}")
    lowest, highest = mask.min(initial=0), mask.max(initial=0)
    if not (lowest >= 0 and highest <= 255):  # NaN is neither
        raise UserError(
            f"The mask must lie in 0..1 or 0..255. Received: values from {lowest} to {highest}"
        )
    masks = mask.reshape(-1, height, width, 1)
    maxima = masks.max(axis=(1, 2, 3), keepdims=True)
    thresholds = np.where(maxima > 1, MID_GREY, 0.5)
    ambiguous = maxima[(maxima > 0) & (maxima <= thresholds)]
    if ambiguous.size:
        raise UserError(
            f"The mask has values up to {ambiguous[0]:g}, none of which counts as missing: "
            f"up to 1 those above 0.5 do, of larger ones those above {MID_GREY}"
        )
    return np.broadcast_to(masks > thresholds, (*shape[:3], 1)).astype(np.uint8)
