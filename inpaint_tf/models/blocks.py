"""Stacks of convolutions of which the coarse and the refinement network are made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from inpaint_tf.layers import CompatConv2D, UpsampleConv2D


class ConvFactory:
    """Makes the networks' layers: ELU, no normalisation, the dialect and precision of the network.

    Args:
        compat: dialect of the weights.
        dtype: dtype policy of the network.
    """

    def __init__(self, compat: str, dtype: Any) -> None:
        self.compat = compat
        self.dtype = dtype

    def conv(
        self,
        name: str,
        filters: int,
        kernel_size: int = 3,
        strides: int = 1,
        dilation: int = 1,
        activation: str = "elu",
    ) -> CompatConv2D:
        """Make a convolution."""
        return CompatConv2D(
            filters,
            kernel_size,
            self.compat,
            strides=strides,
            dilation_rate=dilation,
            activation=activation,
            dtype=self.dtype,
            name=name,
        )

    def upsample(self, name: str, filters: int) -> UpsampleConv2D:
        """Make a doubling and the 3x3 convolution after it."""
        return UpsampleConv2D(filters, activation="elu", dtype=self.dtype, name=name)

    def picture(self, name: str) -> CompatConv2D:
        """Make the last convolution, in float32: bfloat16 near 1 is coarser than a grey level."""
        return CompatConv2D(3, 3, self.compat, dtype="float32", name=name)


def build_chain(layers: Iterable[keras.layers.Layer], channels: int) -> int:
    """Build layers that follow each other; return the channels that come out."""
    for layer in layers:
        layer.build((None, None, None, channels))
        channels = layer.filters
    return channels


def run_chain(layers: Iterable[keras.layers.Layer], inputs: Any) -> Any:
    """Apply layers one after the other."""
    for layer in layers:
        inputs = layer(inputs)
    return inputs


def clip_to_picture(inputs: Any) -> Any:
    """Clip to [-1, 1] in float32."""
    return ops.clip(ops.cast(inputs, "float32"), -1.0, 1.0)
