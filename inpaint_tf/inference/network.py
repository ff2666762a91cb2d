"""Networks as inpainters of pictures of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from keras import ops
from PIL import Image

from inpaint_tf.inference.inpainter import Inpainter, Int32, OnProgress, UInt8
from inpaint_tf.inference.large import CELL, LargeAttentionNetwork, LargeNetwork
from inpaint_tf.masks import MaskMode
from inpaint_tf.model_source import ModelSource
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from neuralgym_lite.backend import compiled, device_errors
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import to_uint8

Float: TypeAlias = npt.NDArray[np.float32]
Network: TypeAlias = Callable[[Float, Float], dict[str, Any]]

# Larger pictures are filled in pieces: it takes less memory, and time only where they have holes.
LARGE = 512 * 512  # pixels
DEFAULT_MEMORY = 4 * 10**9
LEAST_COARSE = 64


class NetworkInpainter(Inpainter):
    """A network, shown pictures of a size that it takes.

    Pictures are padded by reflection to the multiple of pixels that the model wants. Those of more
    than 512x512 pixels are filled in pieces, of which there are the more the less the memory. For
    a model of one fixed size they are resized to that square, and what it predicts is resized back.

    Args:
        model: called with (masked image in [-1, 1], mask) it returns a dict with `"refined"`, and
            with `return_attention=True`, if it has attention, with `"offsets"` too.
        mask_mode: what the model was trained to see in a hole.
        name: how it is called in tables and messages.
        memory: bytes that large pictures may take, beside TensorFlow and the picture itself.
        coarse_at: pixels of the longer side to which larger pictures are reduced for the coarse
            network, which then sees large holes as it was trained to.
        trained_hole: pixels that holes were wide in training. Without `coarse_at`, pictures of more
            than 512x512 pixels whose widest hole is more than twice as wide are reduced so that it
            has that width. None reduces nothing.
        detail: whether `fill` adds detail unless told otherwise, default False.
        source: what the model was loaded from, for reports.

    Raises:
        UserError: If `coarse_at` is given for a model without a coarse and an attentive network, or
            is below 64.
    """

    def __init__(
        self,
        model: InpaintingModel,
        mask_mode: MaskMode,
        name: str,
        memory: int = DEFAULT_MEMORY,
        coarse_at: int | None = None,
        trained_hole: int | None = None,
        detail: bool = False,
        source: ModelSource | None = None,
    ) -> None:
        self.model = model
        self.mask_mode: MaskMode = mask_mode
        self.name = name
        self.source = source
        self._detail = detail
        self.has_attention = model.has_attention
        self.sees_holes = mask_mode.name == "mosaic"
        self.coarse_at = coarse_at
        self.trained_hole = trained_hole
        self._network = _compiled(model)
        self._attentive_network = _compiled(model, return_attention=True)
        self._large: LargeNetwork | None = None
        if isinstance(model, ContextualAttentionModel):
            self._large = LargeAttentionNetwork(model, memory, name)
        elif coarse_at is not None:
            raise UserError(f"Model '{name}' has no coarse network; leave out `coarse_at`")
        elif model.receptive_field is not None:
            self._large = LargeNetwork(model, memory, name)
        if coarse_at is not None and coarse_at < LEAST_COARSE:
            raise UserError(f"`coarse_at` must be at least {LEAST_COARSE} pixels, not {coarse_at}")

    def _description(self) -> dict[str, Any]:
        return {
            "model": type(self.model).__name__,
            "parameters": int(self.model.count_params()),
            "mask": self.mask_mode.get_config(),
        }

    def _predict(
        self,
        images: UInt8,
        masks: UInt8,
        return_attention: bool = False,
        on_progress: OnProgress | None = None,
    ) -> tuple[UInt8, Int32 | None]:
        if self._large and self._is_large(images):
            return self._run_large(self._large, images, masks, on_progress)
        if not (return_attention and self.has_attention):
            return self._run(self._network, images, masks)[0], None
        filled, outputs = self._run(self._attentive_network, images, masks)
        return filled, np.asarray(outputs["offsets"], np.int32)

    def _is_large(self, images: UInt8) -> bool:
        height, width = images.shape[1:3]
        reduced = self.coarse_at is not None and self.coarse_at < max(height, width)
        return height * width > LARGE or reduced

    def _run_large(
        self,
        network: LargeNetwork,
        images: UInt8,
        masks: UInt8,
        on_progress: OnProgress | None,
    ) -> tuple[UInt8, Int32 | None]:
        """Fill pictures one at a time; known pixels are those of the picture."""
        height, width = images.shape[1:3]
        multiple = max(self.model.multiple, CELL)
        filled = images.copy()
        offsets: dict[int, Int32] = {}
        for index, (image, mask) in enumerate(zip(images, masks, strict=True)):

            def tell(share: float, before: int = index) -> None:
                if on_progress:
                    on_progress((before + share) / len(images))

            if not mask.any():
                continue
            holes = padded(mask[None].astype(np.float32), multiple)
            guess = self._guess(image[None], mask[None], holes.shape[1:3])
            with self._explained(mask.shape, "give a smaller `memory`"):
                masked = padded(self.mask_mode.apply(image[None], mask[None]), multiple)
                refined, looked = network(masked[0], holes[0], tell, guess)
            pixels = self._to_pixels(refined[:height, :width])
            np.copyto(filled[index], pixels, where=mask == 1)
            if looked is not None:
                offsets[index] = looked
        if not offsets:
            return filled, None
        nowhere = np.zeros_like(next(iter(offsets.values())))
        return filled, np.stack([offsets.get(index, nowhere) for index in range(len(images))])

    def _guess(self, image: UInt8, mask: UInt8, size: tuple[int, ...]) -> Float | None:
        """Return what the coarse network makes of a reduced picture, enlarged and padded to `size`.

        None, if the picture is not to be reduced for it.
        """
        height, width = mask.shape[1:3]
        share = self._share(mask[0, ..., 0])
        if share is None:
            return None
        small = (max(round(height * share), CELL), max(round(width * share), CELL))
        holes = _resized_holes(mask, *small)
        reduced = _resized(image, *small, Image.Resampling.BILINEAR)
        multiple = self.model.multiple
        with self._explained(small, "give a smaller `coarse_at`"):
            outputs = self._network(
                padded(self.mask_mode.apply(reduced, holes), multiple),
                padded(holes.astype(np.float32), multiple),
            )
        coarse = np.asarray(outputs["coarse"])[0, : small[0], : small[1]]
        large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        missing = [(0, side - own) for side, own in zip(size, (height, width), strict=True)]
        return np.pad(large, (*missing, (0, 0)), mode="reflect")

    def _share(self, mask: UInt8) -> float | None:
        """Return how much a picture is to be reduced for the coarse network, if at all."""
        longer = max(mask.shape)
        if self.coarse_at is not None:
            return self.coarse_at / longer if self.coarse_at < longer else None
        if self.trained_hole is None:
            return None
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
        if depth <= self.trained_hole:
            return None
        return max(self.trained_hole / 2 / float(depth), LEAST_COARSE / longer)

    def _run(self, network: Network, images: UInt8, masks: UInt8) -> tuple[UInt8, dict[str, Any]]:
        side = self.model.fixed_size
        if side is None:
            return self._run_padded(network, images, masks)
        height, width = images.shape[1:3]
        squares = _resized(images, side, side, Image.Resampling.BILINEAR)
        holes = _resized_holes(masks, side, side)
        predicted, outputs = self._run_padded(network, squares, holes)
        # Composited here already: what lies next to a hole leaks into it when the square grows.
        filled = np.where(holes == 1, predicted, squares)
        return _resized(filled, height, width, Image.Resampling.BICUBIC), outputs

    def _run_padded(
        self, network: Network, images: UInt8, masks: UInt8
    ) -> tuple[UInt8, dict[str, Any]]:
        height, width = images.shape[1:3]
        multiple = self.model.multiple
        # A mosaic samples the photograph alone, so the padding comes after it. The mask is
        # reflected too: what mirrors a hole is as unknown as the hole.
        with self._explained((height, width), "make the image smaller"):
            masked_images = padded(self.mask_mode.apply(images, masks), multiple)
            outputs = network(masked_images, padded(masks.astype(np.float32), multiple))
        return self._to_pixels(np.asarray(outputs["refined"])[:, :height, :width]), outputs

    @contextmanager
    def _explained(self, size: Sequence[int], way_out: str) -> Iterator[None]:
        """Turn what the backend fails at into a UserError that names picture and way out."""
        try:
            yield
        except device_errors() as error:
            height, width = size[:2]
            raise UserError(
                f"Model '{self.name}' fails on {width}x{height} pixels "
                f"({type(error).__name__}); {way_out}"
            ) from error

    def _to_pixels(self, refined: Float) -> UInt8:
        if not np.isfinite(refined).all():
            raise UserError(f"Model '{self.name}' is broken: it predicts NaN or infinite values")
        return to_uint8(refined)


def _compiled(model: InpaintingModel, **options: Any) -> Network:
    """Return the model as one graph for all sizes; each new size would cost seconds otherwise."""
    side = model.fixed_size

    def run(masked_image: Any, mask: Any) -> dict[str, Any]:
        outputs = model((masked_image, mask), training=False, **options)
        return {**outputs, "refined": ops.cast(outputs["refined"], "float32")}

    shapes = [(None, side, side, channels) for channels in (3, 1)]
    return compiled(run, model.variables, shapes)


def padded(batch: Float, multiple: int) -> Float:
    """Pad bottom and right by reflection, to multiples of so many pixels."""
    height, width = batch.shape[1:3]
    return np.pad(
        batch, ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect"
    )


def _resized(images: UInt8, height: int, width: int, method: Image.Resampling) -> UInt8:
    """Resize pictures (B, H, W, 3), antialiased where they shrink, and round once."""
    return np.clip(np.rint(_resampled(images, height, width, method)), 0, 255).astype(np.uint8)


def _resized_holes(masks: UInt8, height: int, width: int) -> UInt8:
    """Resize masks (B, H, W, 1): missing is whatever a missing pixel has a part in."""
    return (_resampled(masks, height, width, Image.Resampling.BILINEAR) > 0).astype(np.uint8)


def _resampled(batch: UInt8, height: int, width: int, method: Image.Resampling) -> Float:
    """Resize in floats: of bytes Pillow rounds between both directions, whose order it chooses."""
    channels = np.moveaxis(batch.astype(np.float32), -1, 1).reshape(-1, *batch.shape[1:3])
    resized = [
        np.asarray(Image.fromarray(each).resize((width, height), method)) for each in channels
    ]
    return np.moveaxis(np.reshape(resized, (len(batch), -1, height, width)), 1, -1)
