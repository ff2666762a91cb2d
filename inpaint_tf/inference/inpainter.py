"""What every inpainter does around its prediction: check, predict, composite."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from inpaint_tf.inference.blending import poisson_blend
from inpaint_tf.inference.detail import add_detail
from inpaint_tf.inference.smooth import continue_smooth
from inpaint_tf.masks import dilated
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import MID_GREY

UInt8: TypeAlias = npt.NDArray[np.uint8]
Int32: TypeAlias = npt.NDArray[np.int32]
Predict: TypeAlias = Callable[[UInt8, UInt8], tuple[UInt8, Int32 | None]]

MIN_SIDE = 8


class Inpainter(abc.ABC):
    """Fills the holes of photographs; outside them every pixel stays byte-equal.

    Attributes:
        name: how the inpainter is called in tables and messages.
        has_attention: whether `fill_with_attention` returns offsets.
        detail: whether fills are finished: smooth surroundings are continued (`continue_smooth`),
            and fills get the detail of places that look alike (`add_detail`).
        sees_holes: whether it is shown something of what is missing, as in a mosaic. Such holes are
            not continued from their surroundings.
        tell: called with the share of a large picture that is done; set it to see progress.
    """

    name: str
    has_attention: bool = False
    detail: bool = False
    sees_holes: bool = False
    tell: Callable[[float], object] = staticmethod(lambda share: None)

    def fill(
        self,
        image: UInt8,
        mask: npt.NDArray[Any],
        blend: bool = False,
        invert_mask: bool = False,
        grow: int = 0,
    ) -> UInt8:
        """Fill a photograph or a batch of them.

        Args:
            image: RGB in 0..255, uint8 of shape (H, W, 3) or (B, H, W, 3), at least 8 pixels a
                side.
            mask: 1 where the image is missing; bool, integer or float of shape (H, W), (H, W, 1),
                (1, H, W, 1) or (B, H, W, 1). Of floats up to 1 those above 0.5 are missing. A mask
                with values above 1 is read as grey levels up to 255, whatever the others of the
                batch are: above 127 is missing.
            blend: whether the holes' brightness and color are fitted to what surrounds them, by
                Poisson blending.
            invert_mask: whether the image is missing where the mask says that it is not.
            grow: pixels, 0 or more, by which the holes are made wider all around, after they are
                inverted.

        Returns:
            The filled image, of the shape of `image`. A mask of zeros gives a copy.

        Raises:
            UserError: If image or mask are not as above, a mask has values above 0 of which none
                counts as missing, the prediction fails, or everything is missing and the inpainter
                takes what is known.
        """
        return self._fill(
            image, mask, blend, invert_mask, grow, lambda *batch: (self._predict(*batch), None)
        )[0]

    def fill_with_attention(
        self,
        image: UInt8,
        mask: npt.NDArray[Any],
        blend: bool = False,
        invert_mask: bool = False,
        grow: int = 0,
    ) -> tuple[UInt8, Int32 | None]:
        """Fill like `fill`, and tell where the content came from.

        Args:
            image: as for `fill`.
            mask: as for `fill`.
            blend: as for `fill`.
            invert_mask: as for `fill`.
            grow: as for `fill`.

        Returns:
            The filled image, and offsets (dy, dx) on the network's attention grid, int32 of shape
            (B, h, w, 2), or None if the inpainter has no attention or the mask is empty.

        Raises:
            UserError: As `fill`.
        """
        return self._fill(image, mask, blend, invert_mask, grow, self._predict_with_attention)

    def predict(self, image: UInt8, mask: npt.NDArray[Any]) -> UInt8:
        """Return what is predicted of whole pictures: known pixels are not put back.

        Of pictures that are filled in pieces nothing is predicted but the holes.

        Args:
            image: as for `fill`.
            mask: as for `fill`.

        Returns:
            The predicted image, of the shape of `image`.

        Raises:
            UserError: As `fill`.
        """
        return self._predict(*_as_batch(image, mask)).reshape(image.shape)

    def _fill(
        self,
        image: UInt8,
        mask: npt.NDArray[Any],
        blend: bool,
        invert_mask: bool,
        grow: int,
        predict: Predict,
    ) -> tuple[UInt8, Int32 | None]:
        images, masks = _as_batch(image, mask, invert_mask, grow)
        if not masks.any():
            return image.copy(), None
        filled, holes = images, masks
        if self.detail and not self.sees_holes:
            pairs = zip(images, masks[..., 0], strict=True)
            continued, left = zip(*(continue_smooth(*pair) for pair in pairs), strict=True)
            filled, holes = np.stack(continued), np.stack(left)[..., None]
        offsets = None
        if holes.any():
            predicted, offsets = predict(filled, holes)
            filled = np.where(holes == 1, predicted, filled)
        for wanted, finish in ((blend, poisson_blend), (self.detail, add_detail)):
            if wanted:
                filled = np.stack(
                    [finish(*pair) for pair in zip(filled, masks[..., 0], strict=True)]
                )
        return filled.reshape(image.shape), offsets

    @abc.abstractmethod
    def _predict(self, images: UInt8, masks: UInt8) -> UInt8:
        """Predict whole pictures; only their missing pixels are used.

        Args:
            images: uint8 of shape (B, H, W, 3).
            masks: 1 where missing, uint8 of shape (B, H, W, 1).

        Returns:
            uint8 of shape (B, H, W, 3).
        """

    def _predict_with_attention(self, images: UInt8, masks: UInt8) -> tuple[UInt8, Int32 | None]:
        return self._predict(images, masks), None


def _as_batch(
    image: UInt8, mask: npt.NDArray[Any], invert: bool = False, grow: int = 0
) -> tuple[UInt8, UInt8]:
    """Return a batch and its masks of 0 and 1, or refuse."""
    images = _as_images(image)
    masks = _as_masks(mask, images.shape)
    if invert:
        masks = 1 - masks
    if grow:
        masks = np.stack([dilated(each[..., 0], grow) for each in masks])[..., None]
    return images, masks


def _as_images(image: UInt8) -> UInt8:
    """Return a batch, or refuse."""
    if image.dtype != np.uint8:
        raise UserError(f"The image must be uint8 with values 0..255. Received: {image.dtype}")
    if image.ndim not in (3, 4) or image.shape[-1] != 3:
        raise UserError(
            "The image must be RGB of shape (height, width, 3) or (batch, height, width, 3). "
            f"Received: {image.shape}"
        )
    height, width = image.shape[-3:-1]
    if min(height, width) < MIN_SIDE:
        raise UserError(
            f"The image must have at least {MIN_SIDE} pixels a side. "
            f"Received: {width}x{height} (width x height)"
        )
    return image.reshape(-1, height, width, 3)


def _as_masks(mask: npt.NDArray[Any], shape: tuple[int, ...]) -> UInt8:
    """Return masks of 0 and 1 for images of `shape`, or refuse."""
    batch, height, width, _ = shape
    known_shapes = (
        (height, width),
        (height, width, 1),
        (1, height, width, 1),
        (batch, height, width, 1),
    )
    if mask.shape not in known_shapes:
        raise UserError(
            f"The mask must have the size of its image, {width}x{height} (width x height), and one "
            f"channel: shape {known_shapes[1]} or {known_shapes[-1]}. Received: {mask.shape}"
        )
    if mask.dtype.kind not in "buif":
        raise UserError(f"The mask must be bool, integer or float. Received: {mask.dtype}")
    lowest, highest = mask.min(initial=0), mask.max(initial=0)
    if not (lowest >= 0 and highest <= 255):  # NaN is neither
        raise UserError(
            f"The mask must lie in 0..1 or 0..255. Received: values from {lowest} to {highest}"
        )
    masks = mask.reshape(-1, height, width, 1)
    tops = masks.max(axis=(1, 2, 3), keepdims=True)
    least = np.where(tops > 1, MID_GREY, 0.5)
    meant_for_nothing = tops[(tops > 0) & (tops <= least)]
    if meant_for_nothing.size:
        raise UserError(
            f"The mask has values up to {meant_for_nothing[0]:g}, none of which counts as missing: "
            f"up to 1 those above 0.5 do, of larger ones those above {MID_GREY}"
        )
    return np.broadcast_to(masks > least, (*shape[:3], 1)).astype(np.uint8)
