"""Keras layers of the networks, one a file."""

from inpaint_tf.layers.compat_conv import CompatConv2D
from inpaint_tf.layers.contextual_attention import ContextualAttention
from inpaint_tf.layers.upsample_conv import UpsampleConv2D

__all__ = ["CompatConv2D", "ContextualAttention", "UpsampleConv2D"]
