"""Keras networks as inpainters of pictures of any size."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from inpaint_tf.inference.inpainter import DEFAULT_MEMORY, Options, Prediction, UInt8
from inpaint_tf.inference.keras_stages import cut_after, graph_of, keras_stages
from inpaint_tf.inference.large import LARGE, LargeAttentionNetwork, LargeNetwork
from inpaint_tf.inference.piecewise import CoarseSize, PiecewiseInpainter
from inpaint_tf.masks import MaskMode
from inpaint_tf.model_source import ModelSource
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.filling import FillGraph
from neuralgym_lite.backend import compiled, device_errors, is_jax, sees_gpu
from neuralgym_lite.errors import UserError


class NetworkInpainter(PiecewiseInpainter):
    """Fills pictures of any size with a Keras network.

    A network with contextual attention computes what the holes depend on, in pieces where memory is
    short. So do others above 512x512 pixels. All else is one graph, `FillGraph`: other networks,
    and on a GPU or under JAX all of them, up to 512x512 pixels. A model of one fixed size sees the
    whole picture resized to its size, and what it predicts is resized back.

    Args:
        model: called with (masked image in [-1, 1], mask) it returns a dict with `"refined"`, and
            with `return_attention=True`, if it has attention, with `"offsets"` too.
        mask_mode: what the model was trained to see in a hole.
        name: of the inpainter, for tables and messages.
        memory: bytes that large pictures may take, beside TensorFlow and the picture itself.
        coarse_at: as for `CoarseSize`.
        trained_hole: as for `CoarseSize`.
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
        network: LargeNetwork | None = None
        if isinstance(model, ContextualAttentionModel):
            network = LargeAttentionNetwork(keras_stages(model), memory, name)
        elif coarse_at is not None:
            raise UserError(f"Model '{name}' has no coarse network; leave out `coarse_at`")
        elif model.receptive_field is not None:
            run = cut_after(graph_of(model, lambda *inputs: model(inputs)["refined"], 3, 1))
            field, multiple = model.receptive_field, model.multiple
            network = LargeNetwork(run, model.width, field, multiple, memory, name)
        size = CoarseSize(coarse_at, trained_hole)
        super().__init__(network, mask_mode, name, size, detail, source)
        self.model = model
        self.engine_name = "JAX" if is_jax() else "TensorFlow"
        self._in_pieces = self.has_attention and not is_jax() and not sees_gpu()
        self.has_attention = model.has_attention
        shapes = [(None, None, None, channels) for channels in (3, 1)]
        # Offsets take time, so there is a graph with them and one without.
        self._graphs = {
            attends: compiled(
                partial(FillGraph(model, mask_mode).predict, return_attention=attends),
                model.variables,
                shapes,
                ["uint8"] * 2,
            )
            for attends in (False, True)
        }

    def _description(self) -> dict[str, Any]:
        return {
            "model": type(self.model).__name__,
            "parameters": int(self.model.count_params()),
            "mask": self.mask_mode.get_config(),
        }

    def _predict(self, images: UInt8, masks: UInt8, options: Options) -> Prediction:
        if self._network and (self._in_pieces or self._is_large(images)):
            return super()._predict(images, masks, options)
        pairs = zip(images, masks, strict=True)
        prefilled = np.stack([self.mask_mode.prefill(*pair) for pair in pairs])
        attends = options.return_attention and self.has_attention
        with self._explained(images.shape[1:], "make the image smaller"):
            outputs = self._graphs[attends](prefilled, masks)
        offsets = np.asarray(outputs["offsets"]) if attends else None
        return self._levels(outputs["refined"]), offsets

    def _is_large(self, images: UInt8) -> bool:
        height, width = images.shape[1:3]
        coarse_at = self.coarse_size.coarse_at
        reduced = coarse_at is not None and coarse_at < max(height, width)
        return height * width > LARGE or reduced

    def _errors(self) -> tuple[type[Exception], ...]:
        return (*device_errors(), MemoryError)
