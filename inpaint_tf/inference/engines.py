"""What runs an exported model: uint8 photographs and masks in, filled photographs out."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError
from neuralgym_lite.quiet import held_back_stderr, import_tensorflow

UInt8: TypeAlias = NDArray[np.uint8]
# Takes photographs (B, H, W, 3) and masks (B, H, W, 1) of 0 and 1; returns at least "output".
Engine: TypeAlias = Callable[[UInt8, UInt8], Mapping[str, NDArray[Any]]]

EXTRA = "pip install 'inpaint-tf[onnx]'"


def onnx_engine(file: Path) -> Engine:
    """Run an ONNX file with ONNX Runtime.

    Raises:
        UserError: if ONNX Runtime is not installed, or the file is damaged.
    """
    runtime = need("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(images: UInt8, masks: UInt8) -> Mapping[str, NDArray[Any]]:
        return dict(zip(names, session.run(None, {"image": images, "mask": masks}), strict=True))

    return run


def tflite_engine(file: Path) -> Engine:
    """Run a TensorFlow Lite file with TensorFlow's interpreter."""
    import_tensorflow()
    import tensorflow as tf

    with held_back_stderr():
        fill = tf.lite.Interpreter(str(file)).get_signature_runner()

    def run(images: UInt8, masks: UInt8) -> Mapping[str, NDArray[Any]]:
        with held_back_stderr():
            return {name: np.array(value) for name, value in fill(image=images, mask=masks).items()}

    return run


def saved_model_engine(folder: Path) -> Engine:
    """Run a SavedModel with TensorFlow, by its signature with attention if it has one."""
    import_tensorflow()
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = "attention" if "attention" in loaded.signatures else "serving_default"

    def run(images: UInt8, masks: UInt8) -> Mapping[str, NDArray[Any]]:
        # Taken from `loaded` each time, which holds the variables: a signature does not.
        fill = loaded.signatures[signature]
        outputs = fill(image=tf.constant(images), mask=tf.constant(masks))
        return {name: value.numpy() for name, value in outputs.items()}

    return run


def need(package: str) -> Any:
    """Import a package of the extra `onnx`.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        raise UserError(f"Format onnx needs the package '{package}': {EXTRA}") from None
