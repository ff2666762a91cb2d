"""Exported models as inpainters: what is deployed can be filled with and scored."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from inpaint_tf.inference.engines import (
    Engine,
    onnx_engine,
    saved_model_engine,
    tflite_engine,
)
from inpaint_tf.inference.inpainter import DEFAULT_MEMORY, Inpainter, Options, Prediction, UInt8
from inpaint_tf.inference.server import server_engine
from inpaint_tf.masks import MaskMode
from inpaint_tf.model_source import ModelSource
from neuralgym_lite.errors import UserError

_ENGINES = {"onnx": onnx_engine, "saved_model": saved_model_engine, "tflite": tflite_engine}
# Bytes for each pair of places that attention compares at once, as measured. A SavedModel streams.
_BYTES_A_PAIR = {"onnx": 24, "tflite": 135}
_NAMES = {"onnx": "ONNX Runtime", "saved_model": "TensorFlow", "tflite": "TensorFlow Lite"}
_PLACE = 8  # pixels a side


class ExportedInpainter(Inpainter):
    """Fills with a model that `inpaint-tf export` wrote, or with a server of one.

    It gives what the file gives. Steps of `fill` that were left out of the export can be asked for:
    `fill(..., detail=True)`.

    Args:
        name: for tables and messages.
        engine: what runs the model.
        facts: the contents of its `export.json`. Of a server none are known.
        memory: bytes that attention may take, default 4 GB. An ONNX or TensorFlow Lite file
            compares all places of a photograph at once, and is not run on larger ones.
        detail: whether `fill` adds detail unless told otherwise, default False.
        source: what the model was loaded from, for reports.

    Raises:
        UserError: if the mask mode in `facts` is none.

    Example:
        >>> import numpy as np
        >>> from inpaint_tf.inference import ExportedInpainter
        >>> white = ExportedInpainter("white", lambda images, masks: {"output": images | 255})
        >>> image, mask = np.zeros((16, 16, 3), np.uint8), np.eye(16, dtype=np.uint8)
        >>> int((white.fill(image, mask) == 255).sum())
        48
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        facts: Mapping[str, Any] = MappingProxyType({}),
        memory: int = DEFAULT_MEMORY,
        detail: bool = False,
        source: ModelSource | None = None,
    ) -> None:
        self.name = name
        self._detail = detail
        self.source = source
        self.engine = engine
        self.engine_name = _NAMES.get(facts.get("format", ""), "a server")
        self.mask_mode = MaskMode(**facts["mask"]) if "mask" in facts else None
        self.sees_holes = self.mask_mode is not None and self.mask_mode.name == "mosaic"
        self.has_attention = bool(facts.get("offsets"))
        self._facts = facts
        self._memory = memory

    @classmethod
    def load(cls, source: ModelSource, memory: int, detail: bool) -> ExportedInpainter:
        """Load an exported model, or connect to a server.

        Args:
            source: of the kind `"export"` or `"server"`.
            memory: as for the class.
            detail: as for the class.

        Raises:
            UserError: if the file is damaged, or what runs it is not installed.
        """
        if source.kind == "server":
            return cls(source.name, server_engine(source.given), detail=detail, source=source)
        version = source.exported
        assert version is not None  # noqa: S101
        try:
            engine = _ENGINES[version.format](version.path)
        except UserError:
            raise
        except Exception as error:  # each library has exceptions of its own
            raise UserError(
                f"'{version.path}' is damaged, or no model of format {version.format}: "
                f"{_line(error)}"
            ) from error
        return cls(source.name, engine, version.facts(), memory, detail, source)

    def _description(self) -> dict[str, Any]:
        known = ("model", "format", "precision", "mask")
        return {name: self._facts[name] for name in known if name in self._facts}

    def _predict(self, images: UInt8, masks: UInt8, options: Options) -> Prediction:
        height, width = images.shape[1:3]
        if options.detail and self._facts.get("detail"):
            raise UserError(f"Model '{self.name}' adds detail itself; leave out `detail`")
        self._check_memory(len(images), height, width)
        try:
            outputs = self.engine(images, masks)
        except UserError:
            raise
        except Exception as error:  # each library has exceptions of its own
            raise UserError(
                f"Model '{self.name}' fails on {width}x{height} pixels: {_line(error)}"
            ) from error
        output = outputs.get("output")
        if output is None or output.shape != images.shape or output.dtype != np.uint8:
            raise UserError(f"Model '{self.name}' gives no photographs of {width}x{height} pixels.")
        return output, outputs.get("offsets")

    def _check_memory(self, count: int, height: int, width: int) -> None:
        file_format = self._facts.get("format")
        if file_format not in _BYTES_A_PAIR or not self._facts.get("attention"):
            return
        places = -(-height // _PLACE) * -(-width // _PLACE)
        needed = _BYTES_A_PAIR[file_format] * places**2 * count
        if needed > self._memory:
            raise UserError(
                f"Model '{self.name}' takes {needed / 1e9:.1f} GB for {width}x{height} pixels, "
                f"more than `memory` of {self._memory / 1e9:.1f} GB: an export of format "
                f"{file_format} does not fill in pieces. Take the network or a SavedModel of it, "
                "make the photograph smaller, or raise `memory`."
            )


def _line(error: Exception) -> str:
    """Return the first line of what a library says, with the name of its exception."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{f': {lines[0][:200]}' if lines else ''}"
