"""Image inpainting with contextual attention in Keras 3 on TensorFlow or JAX.

Each name is imported when it is first used, because TensorFlow takes seconds to load.

Example:
    >>> import inpaint_tf
    >>> inpaint_tf.load("telea").name
    'telea'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inpaint_tf import layers, metrics, models
    from inpaint_tf.api import evaluate, export, finetune, train
    from inpaint_tf.inference import Inpainter, load
    from inpaint_tf.model_source import presets
    from neuralgym_lite.errors import UserError

    __version__: str

__all__ = [
    "Inpainter",
    "UserError",
    "evaluate",
    "export",
    "finetune",
    "layers",
    "load",
    "metrics",
    "models",
    "presets",
    "train",
]

_MODULES = {
    "Inpainter": "inpaint_tf.inference",
    "UserError": "neuralgym_lite.errors",
    "evaluate": "inpaint_tf.api",
    "export": "inpaint_tf.api",
    "finetune": "inpaint_tf.api",
    "load": "inpaint_tf.inference",
    "presets": "inpaint_tf.model_source",
    "train": "inpaint_tf.api",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("inpaint-tf")
    if name not in __all__:
        raise AttributeError(f"module 'inpaint_tf' has no attribute '{name}'")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    return importlib.import_module(f"inpaint_tf.{name}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
