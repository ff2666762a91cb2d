"""Fill holes in photographs: classical methods, networks and exported models.

`NetworkInpainter` is imported when it is first used, because it needs Keras.
"""

from typing import TYPE_CHECKING

from inpaint_tf.inference.classical import ClassicalInpainter
from inpaint_tf.inference.exported import ExportedInpainter
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.inference.loading import load

if TYPE_CHECKING:
    from inpaint_tf.inference.network import NetworkInpainter

__all__ = ["ClassicalInpainter", "ExportedInpainter", "Inpainter", "NetworkInpainter", "load"]


def __getattr__(name: str) -> object:
    if name != "NetworkInpainter":
        raise AttributeError(f"module 'inpaint_tf.inference' has no attribute '{name}'")
    from inpaint_tf.inference.network import NetworkInpainter

    return NetworkInpainter
