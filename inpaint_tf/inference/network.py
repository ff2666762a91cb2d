"""Networks as inpainters of pictures of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.inference.inpainter import (
    DEFAULT_MEMORY,
    Inpainter,
    Int32,
    Options,
    Prediction,
    UInt8,
)
from inpaint_tf.inference.large import CELL, LargeAttentionNetwork, LargeNetwork
from inpaint_tf.masks import MaskMode
from inpaint_tf.model_source import ModelSource
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.filling import LARGE, FillGraph, reflected
from neuralgym_lite.backend import compiled, device_errors
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import to_uint8

Float: TypeAlias = npt.NDArray[np.float32]

LEAST_COARSE = 64


class NetworkInpainter(Inpainter):
    """Fills pictures of any size with a network.

    Pictures of up to 512x512 pixels are filled by one graph, `FillGraph`. Larger ones are filled in
    pieces; the less memory there is, the more pieces. A model of one fixed size sees the whole
    picture resized to its size, and what it predicts is resized back.

    Args:
        model: called with (masked image in [-1, 1], mask) it returns a dict with `"refined"`, and
            with `return_attention=True`, if it has attention, with `"offsets"` too.
        mask_mode: what the model was trained to see in a hole.
        name: of the inpainter, for tables and messages.
        memory: bytes that large pictures may take, beside TensorFlow and the picture itself.
        coarse_at: pixels of the longer side to which larger pictures are reduced for the coarse
            network, so that it sees large holes as in training.
        trained_hole: width in pixels of the holes in training. Without `coarse_at`, pictures of
            more than 512x512 pixels whose widest hole is more than twice as wide are reduced for
            the coarse network so that the hole has that width. None reduces nothing.
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
        self._fill_graph = FillGraph(model, mask_mode)
        shapes = [(None, None, None, channels) for channels in (3, 1)]
        # Offsets take time, so there is a graph with them and one without.
        self._graphs = {
            attends: compiled(
                partial(self._fill_graph.predict, return_attention=attends),
                model.variables,
                shapes,
                ["uint8"] * 2,
            )
            for attends in (False, True)
        }
        self._large: LargeNetwork | None = None
        if isinstance(model, ContextualAttentionModel):
            self._large = LargeAttentionNetwork(model, memory, name)
            self._coarse = compiled(self._fill_graph.coarse, model.variables, shapes)
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

    def _predict(self, images: UInt8, masks: UInt8, options: Options) -> Prediction:
        if self._large and self._is_large(images):
            return self._run_large(self._large, images, masks, options)
        pairs = zip(images, masks, strict=True)
        prefilled = np.stack([self.mask_mode.prefill(*pair) for pair in pairs])
        attends = options.return_attention and self.has_attention
        with self._explained(images.shape[1:], "make the image smaller"):
            outputs = self._graphs[attends](prefilled, masks)
        offsets = np.asarray(outputs["offsets"]) if attends else None
        return self._levels(outputs["refined"]), offsets

    def _is_large(self, images: UInt8) -> bool:
        height, width = images.shape[1:3]
        reduced = self.coarse_at is not None and self.coarse_at < max(height, width)
        return height * width > LARGE or reduced

    def _run_large(
        self, network: LargeNetwork, images: UInt8, masks: UInt8, options: Options
    ) -> Prediction:
        """Predict the holes of pictures, one picture at a time."""
        height, width = images.shape[1:3]
        multiple = max(self.model.multiple, CELL)
        predicted = images.copy()
        offsets: dict[int, Int32] = {}
        for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
            if not mask.any():
                continue
            part = options.for_part(index, len(images))
            with self._explained(mask.shape, "give a smaller `memory`"):
                masked = self.mask_mode.apply(image[None], mask[None])
                holes = np.asarray(reflected(mask[None].astype(np.float32), multiple))
                guess = self._guess(image, mask, multiple)
                masked = np.asarray(reflected(masked, multiple))
                refined, places = network(masked[0], holes[0], part, guess)
            np.copyto(predicted[index], self._levels(refined[:height, :width]), where=mask == 1)
            if places is not None:
                offsets[index] = places
        if not offsets:
            return predicted, None
        nowhere = np.zeros_like(next(iter(offsets.values())))
        return predicted, np.stack([offsets.get(index, nowhere) for index in range(len(images))])

    def _guess(self, image: UInt8, mask: UInt8, multiple: int) -> Float | None:
        """Return the coarse prediction of the reduced photograph; None if it is not reduced."""
        share = self._share(mask[..., 0])
        if share is None:
            return None
        small = [max(round(side * share), CELL) for side in mask.shape[:2]]
        levels = self.mask_mode.prefill(image, mask).astype(np.float32)[None]
        holes = mask.astype(np.float32)[None]
        with self._explained(small, "give a smaller `coarse_at`"):
            guess = self._fill_graph.guess_reduced(levels, holes, small[0], small[1], self._coarse)
        return np.asarray(reflected(guess, multiple))[0]

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

    @contextmanager
    def _explained(self, size: Sequence[int], way_out: str) -> Iterator[None]:
        """Raise what the backend fails at as a UserError that names picture and way out."""
        try:
            yield
        except device_errors() as error:
            height, width = size[:2]
            raise UserError(
                f"Model '{self.name}' fails on {width}x{height} pixels "
                f"({type(error).__name__}); {way_out}"
            ) from error

    def _levels(self, refined: Any) -> UInt8:
        """Return a prediction in grey levels, if it is one."""
        values = np.asarray(refined)
        if not np.isfinite(values).all():
            raise UserError(f"Model '{self.name}' is broken: it predicts NaN or infinite values")
        return to_uint8(values)
