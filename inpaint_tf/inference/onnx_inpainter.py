"""Networks as inpainters without Keras and TensorFlow."""

from __future__ import annotations

import zipfile
from typing import Any

from inpaint_tf.inference.large import LargeAttentionNetwork
from inpaint_tf.inference.onnx_stages import COMPAT, WIDTH, onnx_stages
from inpaint_tf.inference.piecewise import CoarseSize, PiecewiseInpainter
from inpaint_tf.keras_archive import (
    RefusedError,
    read_config,
    read_weights,
    with_current_names,
)
from inpaint_tf.masks import MaskMode
from inpaint_tf.model_source import ModelSource
from neuralgym_lite.errors import UserError

_KIND = "inpaint_tf>ContextualAttentionModel"


class OnnxInpainter(PiecewiseInpainter):
    """Fills with a network whose parts ONNX Runtime computes, in float32.

    It gives what `NetworkInpainter` gives but for rounding, and starts in a second.
    """

    engine_name = "ONNX Runtime"

    @classmethod
    def load(
        cls, source: ModelSource, memory: int, coarse_at: int | None, detail: bool
    ) -> OnnxInpainter | None:
        """Load a network; None if its `.keras` file is damaged or holds another kind of network.

        Args:
            source: where the network lies.
            memory: bytes that a picture may take.
            coarse_at: as for `CoarseSize`.
            detail: whether `fill` adds detail unless told otherwise.

        Raises:
            UserError: if `coarse_at` is below 64, or ONNX Runtime is not installed.
        """
        size = CoarseSize(coarse_at, source.trained_hole)
        try:
            with zipfile.ZipFile(source.generator_file) as archive:
                config: dict[str, Any] = read_config(archive)
                options = config["config"]
                kind = config["registered_name"], options["width"], options["compat"]
                if kind != (_KIND, WIDTH, COMPAT):
                    return None
                mode = MaskMode.get(options["mask_mode"])
                stages = onnx_stages(with_current_names(read_weights(archive)))
        except (
            RefusedError,
            UserError,
            OSError,
            zipfile.BadZipFile,
            ValueError,
            LookupError,
            TypeError,
        ):
            return None
        network = LargeAttentionNetwork(stages, memory, source.name)
        return cls(network, mode, source.name, size, detail, source)

    def _description(self) -> dict[str, Any]:
        return {
            "model": _KIND.partition(">")[2],
            "engine": self.engine_name,
            "mask": self.mask_mode.get_config(),
        }
