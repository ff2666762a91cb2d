"""Building blocks of the networks: chains of layers, their outputs, and checks of sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from inpaint_tf.layers import CompatConv2D, NormConv2D, UpsampleConv2D
from inpaint_tf.layers._compat import check_positive


class ConvFactory:
    """Makes layers with the weight convention and the dtype policy of a network.

    Args:
        compat: convention of the weights.
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
        """Make a convolution without normalization."""
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

    def norm_conv(
        self,
        name: str,
        filters: int,
        kernel_size: int = 3,
        strides: int = 1,
        dilation: int = 1,
        activation: str = "relu",
    ) -> NormConv2D:
        """Make a convolution with batch normalization."""
        return NormConv2D(
            filters,
            kernel_size,
            self.compat,
            strides,
            dilation,
            activation,
            dtype=self.dtype,
            name=name,
        )

    def norm_deconv(self, name: str, filters: int) -> NormConv2D:
        """Make a 4x4 transposed convolution of stride 2, with batch normalization and ReLU."""
        return NormConv2D(
            filters, 4, self.compat, strides=2, transposed=True, dtype=self.dtype, name=name
        )

    def upsample(self, name: str, filters: int) -> UpsampleConv2D:
        """Make an upsampling by 2, followed by a 3x3 convolution."""
        return UpsampleConv2D(filters, activation="elu", dtype=self.dtype, name=name)

    def picture(self, name: str, kernel_size: int = 3) -> CompatConv2D:
        """Make the output convolution, in float32: bfloat16 is too coarse for 256 grey levels."""
        return CompatConv2D(3, kernel_size, self.compat, dtype="float32", name=name)


def build_chain(
    layers: Iterable[keras.layers.Layer], channels: int, size: int | None = None
) -> int:
    """Build consecutive layers and return the number of output channels.

    Args:
        layers: from input to output.
        channels: channels of the input.
        size: side of the input in pixels, for layers that need it.
    """
    shape = (None, size, size, channels)
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape[-1]


def run_chain(layers: Iterable[keras.layers.Layer], inputs: Any) -> Any:
    """Apply layers one after the other."""
    for layer in layers:
        inputs = layer(inputs)
    return inputs


def receptive_field_of(layers: Iterable[keras.layers.Layer], pixel: float = 1.0) -> int:
    """Return the radius of the receptive field of consecutive layers.

    Args:
        layers: from input to output.
        pixel: side of a pixel of the input map, in pixels of the image.

    Returns:
        Radius in pixels of the image, rounded up to a multiple of 16.
    """
    radius = 0.0
    for layer in layers:
        grows = isinstance(layer, (UpsampleConv2D, keras.layers.Conv2DTranspose))
        if grows or getattr(layer, "transposed", False):
            # Kernels of up to 4x4 taps and stride 2 read the neighbors of a pixel.
            radius, pixel = radius + pixel, pixel / 2
        elif isinstance(layer, keras.layers.MaxPooling2D):
            radius, pixel = radius + pixel, pixel * 2
        else:
            size, stride, dilation = (
                value if isinstance(value, int) else value[0]
                for value in (layer.kernel_size, layer.strides, layer.dilation_rate)
            )
            radius, pixel = radius + pixel * dilation * (size // 2), pixel * stride
    return -(-math.ceil(radius) // 16) * 16


def clip_to_picture(inputs: Any) -> Any:
    """Clip to [-1, 1] in float32."""
    return ops.clip(ops.cast(inputs, "float32"), -1.0, 1.0)


def squash_to_picture(inputs: Any) -> Any:
    """Map to [-1, 1] with a sigmoid, in float32."""
    return 2 * ops.sigmoid(ops.cast(inputs, "float32")) - 1


def check_size(name: str, size: int | tuple[int, int]) -> tuple[int, int]:
    """Return `size` as (height, width).

    Raises:
        ValueError: if it is neither a positive integer nor two of them.
    """
    height, width = (size, size) if isinstance(size, int) else size
    return check_positive(name, height), check_positive(name, width)


def check_pictures(pictures: Any, size: tuple[int, int]) -> None:
    """Raise a ValueError if images `(B, H, W, C)` do not have this (height, width)."""
    if tuple(pictures.shape[1:3]) != size:
        raise ValueError(
            f"This critic takes images of {size} pixels. Received: shape {tuple(pictures.shape)}"
        )
