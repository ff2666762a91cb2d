"""Networks as inpainters of pictures of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from inpaint_tf.inference.inpainter import Inpainter, Int32, UInt8
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import InpaintingModel
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import to_uint8

Float: TypeAlias = npt.NDArray[np.float32]
Network: TypeAlias = Callable[[Float, Float], dict[str, tf.Tensor]]


class NetworkInpainter(Inpainter):
    """A network, shown pictures of a size that it takes.

    Pictures are padded by reflection to the multiple of pixels that the model wants. For a model of
    one fixed size they are resized to that square, and what it predicts is resized back.

    Args:
        model: called with (masked image in [-1, 1], mask) it returns a dict with `"refined"`, and
            with `return_attention=True`, if it has attention, with `"offsets"` too.
        mask_mode: what the model was trained to see in a hole.
        name: how it is called in tables and messages.
    """

    def __init__(self, model: InpaintingModel, mask_mode: MaskMode, name: str) -> None:
        self.model = model
        self.mask_mode = mask_mode
        self.name = name
        self.has_attention = model.has_attention
        self._network = _compiled(model)
        self._attentive_network = _compiled(model, return_attention=True)

    def _predict(self, images: UInt8, masks: UInt8) -> UInt8:
        return self._run(self._network, images, masks)[0]

    def _predict_with_attention(self, images: UInt8, masks: UInt8) -> tuple[UInt8, Int32 | None]:
        if not self.has_attention:
            return self._predict(images, masks), None
        filled, outputs = self._run(self._attentive_network, images, masks)
        return filled, np.asarray(outputs["offsets"], np.int32)

    def _run(
        self, network: Network, images: UInt8, masks: UInt8
    ) -> tuple[UInt8, dict[str, tf.Tensor]]:
        side = self.model.fixed_size
        if side is None:
            return self._run_padded(network, images, masks)
        height, width = images.shape[1:3]
        squares = _resized(images, side, side, Image.Resampling.BILINEAR)
        holes = _resized_holes(masks, side)
        predicted, outputs = self._run_padded(network, squares, holes)
        # Composited here already: what lies next to a hole leaks into it when the square grows.
        filled = np.where(holes == 1, predicted, squares)
        return _resized(filled, height, width, Image.Resampling.BICUBIC), outputs

    def _run_padded(
        self, network: Network, images: UInt8, masks: UInt8
    ) -> tuple[UInt8, dict[str, tf.Tensor]]:
        height, width = images.shape[1:3]
        multiple = self.model.multiple
        # A mosaic samples the photograph alone, so the padding comes after it. The mask is
        # reflected too: what mirrors a hole is as unknown as the hole.
        masked_images = _padded(self.mask_mode.apply(images, masks), multiple)
        try:
            outputs = network(masked_images, _padded(masks.astype(np.float32), multiple))
        except tf.errors.OpError as error:
            raise UserError(
                f"Model '{self.name}' fails on {width}x{height} pixels "
                f"({type(error).__name__}); make the image smaller"
            ) from error
        return self._to_pixels(np.asarray(outputs["refined"])[:, :height, :width]), outputs

    def _to_pixels(self, refined: Float) -> UInt8:
        if not np.isfinite(refined).all():
            raise UserError(f"Model '{self.name}' is broken: it predicts NaN or infinite values")
        return to_uint8(refined)


def _compiled(model: InpaintingModel, **options: Any) -> Network:
    """Return the model as one graph for all sizes; each new size would cost seconds otherwise."""
    side = model.fixed_size
    signature = (
        tf.TensorSpec((None, side, side, 3), tf.float32, name="masked_image"),
        tf.TensorSpec((None, side, side, 1), tf.float32, name="mask"),
    )

    def run(masked_image: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model((masked_image, mask), training=False, **options)
        return {**outputs, "refined": tf.cast(outputs["refined"], tf.float32)}

    return tf.function(run, input_signature=signature)


def _padded(batch: Float, multiple: int) -> Float:
    """Pad bottom and right by reflection, to multiples of so many pixels."""
    height, width = batch.shape[1:3]
    return np.pad(
        batch, ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect"
    )


def _resized(images: UInt8, height: int, width: int, method: Image.Resampling) -> UInt8:
    """Resize pictures (B, H, W, 3), antialiased where they shrink."""
    return np.stack(
        [np.asarray(Image.fromarray(image).resize((width, height), method)) for image in images]
    )


def _resized_holes(masks: UInt8, side: int) -> UInt8:
    """Resize masks (B, H, W, 1) to squares: missing is whatever a missing pixel has a part in."""
    # The same weights as those of the photographs, and in floats, where none is rounded away.
    parts = [
        np.asarray(
            Image.fromarray(mask[..., 0].astype(np.float32)).resize(
                (side, side), Image.Resampling.BILINEAR
            )
        )
        for mask in masks
    ]
    return (np.stack(parts)[..., None] > 0).astype(np.uint8)
