"""The networks that LPIPS looks through, and its distance, in Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

Tensor: TypeAlias = Any
_Convolve: TypeAlias = Callable[..., Tensor]

SMALLEST_SIDE = 31
# Means and deviations of ImageNet's colours, as LPIPS states them for pictures in [-1, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


class LpipsModel(keras.Model):
    """LPIPS v0.1 of two batches of pictures.

    Everything is computed in float32, whatever Keras' global policy is.

    Args:
        network: a key of `NETWORKS`.
        weights: of each convolution NAME of the network `NAME.kernel` (h, w, in, out) and
            `NAME.bias` (out,), and `lin0`, `lin1`, ... (channels,), how much each channel of each
            feature map counts.

    Shapes:
        Inputs: pair of uint8 or float RGB in 0..255, (B, H, W, 3), sides from `SMALLEST_SIDE` on.
        Output: float32 (B,), 0 for equal pictures.

    Reference:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        CVPR 2018.
    """

    def __init__(self, network: str, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        super().__init__(dtype="float32", trainable=False, name=f"lpips_{network}")
        self._network = NETWORKS[network]
        self._arrays = {
            name: self.add_weight(
                name=name.replace(".", "_"),
                shape=array.shape,
                initializer=keras.initializers.Constant(np.asarray(array, "float32")),
                dtype="float32",
                trainable=False,
            )
            for name, array in weights.items()
        }
        self.built = True

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """Return the distance of each pair."""
        truth, result = inputs
        maps = self.compare(self.features(truth), self.features(result))
        return sum(ops.mean(each, axis=(1, 2)) for each in maps)

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps of pictures in 0..255, each of unit length over its channels."""
        scaled = ops.cast(images, "float32") / 127.5 - 1
        scaled = (scaled - ops.array(_SHIFT, "float32")) / ops.array(_SCALE, "float32")
        return [_unit(features) for features in self._network(scaled, self._convolve)]

    def compare(self, first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
        """Return the weighted squared differences of each feature map, (B, h, w)."""
        return [
            ops.sum(ops.square(one - other) * self._arrays[f"lin{index}"], axis=-1)
            for index, (one, other) in enumerate(zip(first, second, strict=True))
        ]

    def _convolve(self, x: Tensor, name: str, strides: int = 1, padding: str = "same") -> Tensor:
        kernel, bias = self._arrays[f"{name}.kernel"], self._arrays[f"{name}.bias"]
        return ops.relu(ops.conv(x, kernel, strides, padding) + bias)


def _unit(features: Tensor) -> Tensor:
    length = ops.sqrt(ops.sum(ops.square(features), axis=-1, keepdims=True))
    return features / (length + _EPSILON)


def _alexnet(x: Tensor, convolve: _Convolve) -> list[Tensor]:
    x = ops.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    first = convolve(x, "conv1", 4, "valid")
    second = convolve(_pool(first), "conv2")
    third = convolve(_pool(second), "conv3")
    fourth = convolve(third, "conv4")
    return [first, second, third, fourth, convolve(fourth, "conv5")]


def _squeezenet(x: Tensor, convolve: _Convolve) -> list[Tensor]:
    def fire(x: Tensor, name: str) -> Tensor:
        squeezed = convolve(x, f"{name}.squeeze")
        expanded = [convolve(squeezed, f"{name}.expand{side}") for side in ("1x1", "3x3")]
        return ops.concatenate(expanded, axis=-1)

    features = [convolve(x, "conv1", 2, "valid")]
    features.append(fire(fire(_pool(features[-1], ceil=True), "fire2"), "fire3"))
    features.append(fire(fire(_pool(features[-1], ceil=True), "fire4"), "fire5"))
    features.append(fire(_pool(features[-1], ceil=True), "fire6"))
    for name in ("fire7", "fire8", "fire9"):
        features.append(fire(features[-1], name))
    return features


def _pool(x: Tensor, ceil: bool = False) -> Tensor:
    """Take the maximum of 3x3 windows, every second one; `ceil` lets the last ones jut out."""
    if ceil:
        # What is pooled is not negative, so that zeros never win.
        _, height, width, _ = ops.shape(x)
        x = ops.pad(x, ((0, 0), (0, 1 - height % 2), (0, 1 - width % 2), (0, 0)))
    return ops.max_pool(x, 3, 2, "valid")


NETWORKS: dict[str, Callable[[Tensor, _Convolve], list[Tensor]]] = {
    "alex": _alexnet,
    "squeeze": _squeezenet,
}
