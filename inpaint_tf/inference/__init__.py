"""Fill holes in photographs: classical methods and networks behind one interface."""

from inpaint_tf.inference.classical import ClassicalInpainter
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.inference.loading import load
from inpaint_tf.inference.network import NetworkInpainter

__all__ = ["ClassicalInpainter", "Inpainter", "NetworkInpainter", "load"]
