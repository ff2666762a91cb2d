"""Keras networks as inpainters of pictures of any size."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from inpaint_tf.inference.inpainter import Inpainter, Int32, UInt8
from inpaint_tf.masks import MaskMode
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import to_uint8

MULTIPLE = 8
_SIGNATURE = (
    tf.TensorSpec((None, None, None, 3), tf.float32, name="masked_image"),
    tf.TensorSpec((None, None, None, 1), tf.float32, name="mask"),
)
Float: TypeAlias = npt.NDArray[np.float32]
Network: TypeAlias = Callable[[Float, Float], dict[str, tf.Tensor]]


class NetworkInpainter(Inpainter):
    """A network, run on pictures padded by reflection to a multiple of 8 pixels.

    Args:
        model: called with (masked image in [-1, 1], mask) it returns a dict with `"refined"`, and
            with `return_attention=True`, if it takes that, with `"offsets"` too.
        mask_mode: what the model was trained to see in a hole.
        name: how it is called in tables and messages.
    """

    def __init__(self, model: keras.Model, mask_mode: MaskMode, name: str) -> None:
        self.model = model
        self.mask_mode = mask_mode
        self.name = name
        self.has_attention = "return_attention" in inspect.signature(model.call).parameters
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
        height, width = images.shape[1:3]
        # A mosaic samples the photograph alone, so the padding comes after it. The mask is
        # reflected too: what mirrors a hole is as unknown as the hole.
        masked_images = _padded(self.mask_mode.apply(images, masks))
        try:
            outputs = network(masked_images, _padded(masks.astype(np.float32)))
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


def _compiled(model: keras.Model, **options: Any) -> Network:
    """Return the model as one graph for all sizes; each new size would cost seconds otherwise."""

    def run(masked_image: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model((masked_image, mask), training=False, **options)
        return {**outputs, "refined": tf.cast(outputs["refined"], tf.float32)}

    return tf.function(run, input_signature=_SIGNATURE)


def _padded(batch: Float) -> Float:
    """Pad bottom and right by reflection, to multiples of 8."""
    height, width = batch.shape[1:3]
    return np.pad(
        batch, ((0, 0), (0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="reflect"
    )
