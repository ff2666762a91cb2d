"""The Keras layers of the networks."""

from inpaint_tf.layers.channelwise_dense import ChannelwiseDense
from inpaint_tf.layers.compat_conv import CompatConv2D
from inpaint_tf.layers.contextual_attention import ContextualAttention
from inpaint_tf.layers.norm_conv import NormConv2D
from inpaint_tf.layers.upsample_conv import UpsampleConv2D

__all__ = [
    "ChannelwiseDense",
    "CompatConv2D",
    "ContextualAttention",
    "NormConv2D",
    "UpsampleConv2D",
]
