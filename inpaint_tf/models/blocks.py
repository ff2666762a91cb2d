"""Building blocks of the networks: chains of layers, their outputs, and checks of sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from inpaint_tf.layers import CompatConv2D, NormConv2D, UpsampleConv2D
from inpaint_tf.layers._compat import check_positive
from inpaint_tf.models.region import Region


class ConvFactory:
    """Makes layers with the weight convention and the dtype policy of a network.

    Further options are those of the layers that are made.
    """

    def __init__(self, compat: str, dtype: Any) -> None:
        self.compat = compat
        self.dtype = dtype

    def conv(
        self, name: str, filters: int, kernel_size: int = 3, activation: str = "elu", **options: Any
    ) -> CompatConv2D:
        """Make a convolution without normalization."""
        options |= {"activation": activation, "dtype": self.dtype, "name": name}
        return CompatConv2D(filters, kernel_size, self.compat, **options)

    def norm_conv(
        self, name: str, filters: int, kernel_size: int = 3, **options: Any
    ) -> NormConv2D:
        """Make a convolution with batch normalization, by default with ReLU."""
        options |= {"dtype": self.dtype, "name": name}
        return NormConv2D(filters, kernel_size, self.compat, **options)

    def norm_deconv(self, name: str, filters: int) -> NormConv2D:
        """Make a 4x4 transposed convolution of stride 2, with batch normalization and ReLU."""
        return self.norm_conv(name, filters, kernel_size=4, strides=2, transposed=True)

    def upsample(self, name: str, filters: int) -> UpsampleConv2D:
        """Make an upsampling by 2, followed by a 3x3 convolution."""
        return UpsampleConv2D(filters, activation="elu", dtype=self.dtype, name=name)

    def picture(self, name: str, kernel_size: int = 3) -> CompatConv2D:
        """Make the output convolution, in float32: bfloat16 is too coarse for 256 grey levels."""
        return CompatConv2D(3, kernel_size, self.compat, dtype="float32", name=name)


def dilated_chain(
    conv: Callable[..., keras.layers.Layer],
    enlarge: Callable[[str, int], keras.layers.Layer],
    picture: Callable[[str], keras.layers.Layer],
    width: int,
) -> list[keras.layers.Layer]:
    """Return an encoder, dilated convolutions and a decoder: the 17 layers of GLCIC.

    `conv` makes a convolution, `enlarge` a layer that doubles height and width, `picture` the last
    layer. They are made from input to output: layers draw the seeds of their weights in this order.
    """
    return [
        conv("conv1", width, kernel_size=5),
        conv("conv2_downsample", 2 * width, strides=2),
        conv("conv3", 2 * width),
        conv("conv4_downsample", 4 * width, strides=2),
        conv("conv5", 4 * width),
        conv("conv6", 4 * width),
        *dilated_convs(conv, 4 * width),
        conv("conv11", 4 * width),
        conv("conv12", 4 * width),
        enlarge("conv13", 2 * width),
        conv("conv14", 2 * width),
        enlarge("conv15", width),
        conv("conv16", width // 2),
        picture("conv17"),
    ]


def dilated_convs(
    conv: Callable[..., keras.layers.Layer], filters: int
) -> Iterator[keras.layers.Layer]:
    """Yield four convolutions, whose taps are 2, 4, 8 and 16 pixels apart."""
    for number, rate in enumerate((2, 4, 8, 16), start=7):
        yield conv(f"conv{number}_atrous", filters, dilation_rate=rate)


def build_chain(
    layers: Iterable[keras.layers.Layer], channels: int, size: int | None = None
) -> int:
    """Build consecutive layers and return the number of output channels.

    `size` is the side of the input in pixels, for layers that need it.
    """
    shape = (None, size, size, channels)
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape[-1]


def run_chain(
    layers: Sequence[keras.layers.Layer],
    inputs: Any,
    region: Region | None = None,
    covered: Region | None = None,
    pixel: int = 1,
) -> Any:
    """Apply layers one after the other.

    Args:
        layers: of the chain.
        inputs: `(B, H, W, C)`.
        region: the box that the outputs are needed for, which is what they cover then. Each layer
            computes only what they depend on. None computes everything.
        covered: the box that the inputs cover. None is the whole picture.
        pixel: side of a pixel of the inputs, in pixels of the picture.
    """
    if region is None:
        for layer in layers:
            inputs = layer(inputs)
        return inputs
    covered = covered or region.whole()
    *fields, (_, last) = fields_of(layers, pixel)
    for layer, (margin, side) in zip(layers, fields, strict=True):
        needed = region.grown(math.ceil(margin))
        inputs = layer(needed.cut(inputs, covered, int(side)))
        covered = needed
    return region.cut(inputs, covered, int(last))


def receptive_field_of(layers: Sequence[keras.layers.Layer], pixel: float = 1.0) -> int:
    """Return the radius of the receptive field of consecutive layers, a multiple of 16 pixels.

    `pixel` is the side of a pixel of the input map, in pixels of the image.
    """
    return -(-math.ceil(fields_of(layers, pixel)[0][0]) // 16) * 16


def fields_of(
    layers: Sequence[keras.layers.Layer], pixel: float = 1.0
) -> list[tuple[float, float]]:
    """Return the radius of the receptive field from each layer on, and the side of its pixels.

    Both are in pixels of the image. The last pair is that of the output.
    """
    steps = []
    for layer in layers:
        before = pixel
        grows = isinstance(layer, (UpsampleConv2D, keras.layers.Conv2DTranspose))
        if grows or getattr(layer, "transposed", False):
            # Kernels of up to 4x4 taps and stride 2 read the neighbors of a pixel.
            radius, pixel = pixel, pixel / 2
        elif isinstance(layer, keras.layers.MaxPooling2D):
            radius, pixel = pixel, pixel * 2
        else:
            size, stride, dilation = (
                value if isinstance(value, int) else value[0]
                for value in (layer.kernel_size, layer.strides, layer.dilation_rate)
            )
            radius, pixel = pixel * dilation * (size // 2), pixel * stride
        steps.append((radius, before))
    fields = [(0.0, pixel)]
    for radius, side in reversed(steps):
        fields.append((fields[-1][0] + radius, side))
    return fields[::-1]


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
