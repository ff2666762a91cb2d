"""Image inpainting with contextual attention in Keras 3 on TensorFlow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inpaint_tf import layers, metrics, models
    from inpaint_tf.inference import Inpainter, load

__all__ = ["Inpainter", "layers", "load", "metrics", "models"]

_MODULES = ("layers", "metrics", "models")


def __getattr__(name: str) -> Any:
    # TensorFlow takes seconds to load; what does not need it should not wait for it.
    if name in _MODULES:
        return importlib.import_module(f"inpaint_tf.{name}")
    if name in __all__:
        return getattr(importlib.import_module("inpaint_tf.inference"), name)
    raise AttributeError(f"module 'inpaint_tf' has no attribute '{name}'")
