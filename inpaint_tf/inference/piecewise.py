"""Inpainters of pictures of any size, whose network runs in pieces around the holes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from inpaint_tf.inference.inpainter import Inpainter, Int32, Options, Prediction, UInt8
from inpaint_tf.inference.large import CELL, LARGE, LargeAttentionNetwork, LargeNetwork
from inpaint_tf.inference.stages import Array
from inpaint_tf.masks import MaskMode
from inpaint_tf.model_source import ModelSource
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import to_uint8

LEAST_COARSE = 64


@dataclass(frozen=True)
class CoarseSize:
    """To what size pictures are reduced for the coarse network.

    Attributes:
        coarse_at: pixels of the longer side to which larger pictures are reduced, so that the
            coarse network sees large holes as in training. At least 64.
        trained_hole: width in pixels of the holes in training. Without `coarse_at`, pictures of
            more than 512x512 pixels whose widest hole is more than twice as wide are reduced so
            that the hole has that width. None reduces nothing.

    Raises:
        UserError: If `coarse_at` is below 64.
    """

    coarse_at: int | None = None
    trained_hole: int | None = None

    def __post_init__(self) -> None:
        if self.coarse_at is not None and self.coarse_at < LEAST_COARSE:
            raise UserError(
                f"`coarse_at` must be at least {LEAST_COARSE} pixels, not {self.coarse_at}"
            )

    def share(self, mask: UInt8) -> float | None:
        """Return how much a picture with a mask `(H, W)` is to be reduced, if at all."""
        longer = max(mask.shape)
        if self.coarse_at is not None:
            return self.coarse_at / longer if self.coarse_at < longer else None
        if self.trained_hole is None or mask.size <= LARGE:
            return None
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
        if depth <= self.trained_hole:
            return None
        return max(self.trained_hole / 2 / float(depth), LEAST_COARSE / longer)


class PiecewiseInpainter(Inpainter):
    """Fills pictures of any size with a network that computes what the holes depend on.

    The less memory there is, the more pieces.

    Args:
        network: runs on one picture. None if a subclass never needs one.
        mask_mode: what the network was trained to see in a hole.
        name: of the inpainter, for tables and messages.
        coarse_size: to what the pictures of the coarse network are reduced.
        detail: whether `fill` adds detail unless told otherwise, default False.
        source: what the network was loaded from, for reports.
    """

    def __init__(
        self,
        network: LargeNetwork | None,
        mask_mode: MaskMode,
        name: str,
        coarse_size: CoarseSize,
        detail: bool = False,
        source: ModelSource | None = None,
    ) -> None:
        self._network = network
        self.mask_mode: MaskMode = mask_mode
        self.name = name
        self.coarse_size = coarse_size
        self.source = source
        self._detail = detail
        self.has_attention = isinstance(network, LargeAttentionNetwork)
        self.sees_holes = mask_mode.name == "mosaic"

    def _predict(self, images: UInt8, masks: UInt8, options: Options) -> Prediction:
        """Predict the holes of pictures, one picture at a time."""
        predicted = images.copy()
        offsets: dict[int, Int32] = {}
        for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
            if options.holes_only and not mask.any():
                continue
            levels, places = self._predict_one(image, mask, options.for_part(index, len(images)))
            wanted = mask == 1 if options.holes_only else np.True_
            np.copyto(predicted[index], levels, where=wanted)
            if places is not None:
                offsets[index] = places
        if not offsets:
            return predicted, None
        nowhere = np.zeros_like(next(iter(offsets.values())))
        return predicted, np.stack([offsets.get(index, nowhere) for index in range(len(images))])

    def _predict_one(
        self, image: UInt8, mask: UInt8, options: Options
    ) -> tuple[UInt8, Int32 | None]:
        assert self._network is not None  # noqa: S101
        height, width = mask.shape[:2]
        with self._explained(mask.shape, "give a smaller `memory`"):
            masked = _reflected(self.mask_mode.apply(image[None], mask[None])[0], self._network)
            holes = _reflected(mask.astype(np.float32), self._network)
            guess = self._guess(image, mask)
            refined, places = self._network(masked, holes, options, guess)
        return self._levels(refined[:height, :width]), places

    def _guess(self, image: UInt8, mask: UInt8) -> Array | None:
        """Return the coarse prediction of the reduced photograph; None if it is not reduced."""
        share = self.coarse_size.share(mask[..., 0])
        if share is None or not isinstance(self._network, LargeAttentionNetwork):
            return None
        height, width = (max(round(side * share), CELL) for side in mask.shape[:2])
        levels = _resized(self.mask_mode.prefill(image, mask), height, width)
        holes = (_resized(mask, height, width) > 0).astype(np.float32)
        normal = (levels / 127.5 - 1).astype(np.float32)
        with self._explained((height, width), "give a smaller `coarse_at`"):
            masked = self.mask_mode.masked(normal[None], holes[None])[0]
            pictures = (_reflected(each, self._network) for each in (masked, holes))
            small = self._network.whole_guess(*pictures)[:height, :width]
        return _reflected(enlarged(small, *mask.shape[:2]), self._network)

    @contextmanager
    def _explained(self, size: Sequence[int], way_out: str) -> Iterator[None]:
        """Raise a failed computation as a UserError that names picture and way out."""
        try:
            yield
        except self._errors() as error:
            height, width = size[:2]
            raise UserError(
                f"Model '{self.name}' fails on {width}x{height} pixels "
                f"({type(error).__name__}); {way_out}"
            ) from error

    def _errors(self) -> tuple[type[Exception], ...]:
        """Return what is raised if a computation fails."""
        return self._network.errors if self._network else (MemoryError,)

    def _levels(self, refined: Any) -> UInt8:
        """Return a prediction in grey levels, if it is one."""
        values = np.asarray(refined)
        if not np.isfinite(values).all():
            raise UserError(f"Model '{self.name}' is broken: it predicts NaN or infinite values")
        return to_uint8(values)


def enlarged(picture: Array, height: int, width: int) -> Array:
    """Enlarge a picture of floats by bicubic interpolation, as `models.resizing.enlarge` does.

    OpenCV's has weights that are off by up to 2e-5: too far from those of a graph for the same
    levels.

    Args:
        picture: `(h, w, C)` float32.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Returns:
        `(height, width, C)` float32.
    """
    for axis, size in enumerate((height, width)):
        count = picture.shape[axis]
        center = (np.arange(size) + 0.5) * (count / size) - 0.5
        first = np.floor(center)
        total = np.zeros((), np.float32)
        for tap in range(-1, 3):
            distance = np.abs(center - first - tap)
            weights = np.where(distance < 1, _near(distance), _far(distance)).astype(np.float32)
            places = np.clip(first + tap, 0, count - 1).astype(int)
            total = total + np.take(picture, places, axis) * weights.reshape(-1, *[1] * (2 - axis))
        picture = total
    return picture


def _near(distance: Array) -> Array:
    return (1.25 * distance - 2.25) * distance**2 + 1


def _far(distance: Array) -> Array:
    return -0.75 * (((distance - 5) * distance + 8) * distance - 4)


def _reflected(picture: Array, network: LargeNetwork) -> Array:
    """Pad `(H, W, C)` at the bottom and right by reflection, to multiples of a network's."""
    pads = [(0, -side % network.multiple) for side in picture.shape[:2]]
    return np.pad(picture, [*pads, (0, 0)], "reflect") if any(map(any, pads)) else picture


def _resized(picture: UInt8, height: int, width: int) -> Array:
    """Resize `(H, W, C)` by Pillow's bilinear filter, in float32, not rounded."""
    channels = (
        Image.fromarray(channel.astype(np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for channel in np.moveaxis(picture, -1, 0)
    )
    return np.stack([np.asarray(channel) for channel in channels], -1)
