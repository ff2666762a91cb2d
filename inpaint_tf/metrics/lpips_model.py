"""LPIPS as a Keras model: its two feature networks and its distance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from inpaint_tf.metrics import lpips_weights

Tensor: TypeAlias = Any
_Convolve: TypeAlias = Callable[..., Tensor]

SMALLEST_SIDE = 31
# Mean and standard deviation of ImageNet's colors, as LPIPS defines them for images in [-1, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


class LpipsModel(keras.Model):
    """LPIPS v0.1 of two batches of images.

    All computations are in float32, regardless of Keras' global dtype policy.

    Args:
        network: a key of `NETWORKS`.
        weights: arrays by name. For each convolution NAME of the network: `NAME.kernel`
            (h, w, in, out) and `NAME.bias` (out,). For each feature map: `lin0`, `lin1`, ...
            (channels,), the weight of each channel.

    Shapes:
        Inputs: pair of uint8 or float RGB in 0..255, (B, H, W, 3), sides from `SMALLEST_SIDE` up.
        Output: float32 (B,), 0 for equal images.

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
        """Return the feature maps of images in 0..255, normalized to unit length over channels."""
        scaled = ops.cast(images, "float32") / 127.5 - 1
        scaled = (scaled - ops.array(_SHIFT, "float32")) / ops.array(_SCALE, "float32")
        return [_unit(features) for features in self._network(scaled, self._convolve)]

    def compare(self, first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
        """Return the weighted squared difference of each feature map, (B, h, w)."""
        return [
            ops.sum(ops.square(one - other) * self._arrays[f"lin{index}"], axis=-1)
            for index, (one, other) in enumerate(zip(first, second, strict=True))
        ]

    def _convolve(self, x: Tensor, name: str, strides: int = 1, padding: str = "same") -> Tensor:
        kernel, bias = self._arrays[f"{name}.kernel"], self._arrays[f"{name}.bias"]
        return ops.relu(ops.conv(x, kernel, strides, padding) + bias)


def load_lpips(network: str) -> LpipsModel:
    """Return LPIPS with its published weights.

    Args:
        network: A key of `NETWORKS`.

    Raises:
        MissingWeightsError: If the weights are not on this machine.
    """
    name = f"lpips-{network}"
    return LpipsModel(network, lpips_weights.read(name, lpips_weights.find(name)))


def _unit(features: Tensor) -> Tensor:
    squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
    length = ops.sqrt(ops.maximum(squares, _EPSILON**2))  # so that there is a gradient at zero
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
    """Max pooling, 3x3 with stride 2; `ceil` includes windows that extend beyond the image."""
    if ceil:
        # Activations are not negative, so zero padding does not change the maximum.
        _, height, width, _ = ops.shape(x)
        x = ops.pad(x, ((0, 0), (0, 1 - height % 2), (0, 1 - width % 2), (0, 0)))
    return ops.max_pool(x, 3, 2, "valid")


NETWORKS: dict[str, Callable[[Tensor, _Convolve], list[Tensor]]] = {
    "alex": _alexnet,
    "squeeze": _squeezenet,
}
