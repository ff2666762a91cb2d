"""Load an inpainter from a name, a run folder or a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from inpaint_tf.inference.classical import ClassicalInpainter
from inpaint_tf.inference.exported import ExportedInpainter
from inpaint_tf.inference.inpainter import DEFAULT_MEMORY, Inpainter
from inpaint_tf.model_source import ModelSource
from neuralgym_lite.backend import BACKENDS, import_backend, is_installed
from neuralgym_lite.errors import UserError, check_name

ENGINES = ("auto", "keras")
GPU = Path("/dev/nvidiactl")  # there where the driver of an NVIDIA GPU is


def load(
    source: str | Path,
    *,
    detail: bool | None = None,
    memory: int | None = None,
    coarse_at: int | None = None,
    engine: str = "keras",
) -> Inpainter:
    """Load an inpainter.

    Args:
        source: one of `inpaint_tf.presets()`, such as `"ca-photos"` or `"telea"`; a run folder,
            whose newest checkpoint is loaded; a folder that `inpaint-tf import` wrote; a model
            saved as `.keras`; a `.safetensors` file of `inpaint-tf export`, or one that `inpaint-tf
            import` knows; a SavedModel, ONNX or TensorFlow Lite file that `inpaint-tf export`
            wrote; or the URL of one in TensorFlow Serving, `http://HOST:PORT/v1/models/NAME` or
            `grpc://HOST:PORT/NAME`.
        detail: whether `fill` adds the detail of similar places unless told otherwise. The default,
            None, means yes for the presets that were scored with it, such as `"ca-photos"`. An
            exported model gives what is in the file unless told otherwise.
        memory: bytes that a network may use for large images, default 4 GB. OpenCV's methods need
            no more than the image.
        coarse_at: pixels, at least 64. The coarse network sees images with a longer side reduced to
            this length. By default a preset reduces images whose holes are much wider than those of
            its training.
        engine: what computes a network. `"keras"`: TensorFlow or JAX; ONNX Runtime where neither is
            installed. `"auto"`: what answers first. That is ONNX Runtime for a network that it
            knows, those that come with the install among them, unless Keras has been imported or
            the machine has a GPU. Results differ by rounding.

    Returns:
        The inpainter; call it, or its `fill`, with an image and a mask.

    Raises:
        UserError: if the source does not exist, is damaged or is not an inpainting model, or if an
            option is not for it.

    Example:
        >>> import numpy as np
        >>> import inpaint_tf
        >>> image, mask = np.full((16, 16, 3), 200, np.uint8), np.zeros((16, 16), np.uint8)
        >>> mask[4:8, 4:8] = 1
        >>> inpainter = inpaint_tf.load("telea")
        >>> inpainter.fill(image, mask).shape
        (16, 16, 3)
    """
    found = ModelSource.find(source)
    if detail is None:
        detail = found.default_detail
    if found.kind == "classical":
        if coarse_at is not None:
            raise UserError(f"'{found.name}' has no coarse network; leave out `coarse_at`")
        return ClassicalInpainter(found.name, detail)
    if found.kind in ("export", "server"):
        if coarse_at is not None:
            raise UserError(f"'{found.name}' is an exported model; leave out `coarse_at`")
        return ExportedInpainter.load(found, memory or DEFAULT_MEMORY, detail)
    check_name("engine", engine, ENGINES)
    if _prefers_onnx(engine):
        from inpaint_tf.inference.onnx_inpainter import OnnxInpainter

        options = memory or DEFAULT_MEMORY, coarse_at, detail
        if inpainter := OnnxInpainter.load(found, *options):
            return inpainter
    # Only other networks need Keras, which takes seconds.
    import_backend()
    from inpaint_tf.importers.safetensors_model import load_generator
    from inpaint_tf.inference.network import NetworkInpainter
    from inpaint_tf.models.precision import for_this_machine

    model = for_this_machine(load_generator(found))
    return NetworkInpainter(
        model,
        model.mask_mode,
        found.name,
        memory or DEFAULT_MEMORY,
        coarse_at,
        found.trained_hole,
        detail=detail,
        source=found,
    )


def _prefers_onnx(engine: str) -> bool:
    """Return whether ONNX Runtime is tried first."""
    if not is_installed("onnxruntime"):
        return False
    if not any(map(is_installed, BACKENDS)):
        return True
    decided = "keras" in sys.modules or "KERAS_BACKEND" in os.environ or GPU.exists()
    return engine == "auto" and not decided
