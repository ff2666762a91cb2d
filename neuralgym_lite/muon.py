"""Muon, for networks of convolutions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

# Kernels of fewer channels paint a picture or score one: as the last layers of other networks, they
# are Adam's.
LEAST_CHANNELS = 4
MOMENTUM = 0.95
# Root mean square of a step as a multiple of the learning rate, which is about that of Adam's.
STEP = 0.2
# Of the polynomial a x + b x^3 + c x^5, which drives singular values towards 1, and how often.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
TIMES = 5


@keras.saving.register_keras_serializable(package="neuralgym_lite")
class ConvMuon(keras.optimizers.Adam):
    """Muon for the kernels of convolutions, Adam for all other weights; its arguments are Adam's.

    A kernel is a matrix with a row for each input of an output channel: the momentum of its
    gradient is made orthogonal, and scaled to the size of Adam's steps, so that the learning rate
    is about Adam's. Keras' own Muon takes matrices alone, and would leave all of a network of
    convolutions to Adam.

    Args:
        transposed: paths of the kernels of transposed convolutions, whose outputs come before their
            inputs, as `transposed_kernels` returns them.

    Reference:
        Jordan et al. 2024, "Muon: An Optimizer for Hidden Layers in Neural Networks"
        (kellerjordan.github.io/posts/muon); the scale is that of Liu et al. 2025, section 2.2
        (arxiv.org/abs/2502.16982).
    """

    def __init__(self, *args: Any, transposed: Iterable[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.transposed = sorted(transposed)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one weight by its gradient."""
        index = self._get_variable_index(variable)
        # What a strategy passes has no path.
        transposed = self._trainable_variables[index].path in self.transposed
        if len(variable.shape) != 4 or variable.shape[-2 if transposed else -1] < LEAST_CHANNELS:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[index]
        self.assign(momentum, gradient + MOMENTUM * momentum)
        kernel = gradient + MOMENTUM * momentum
        if transposed:
            kernel = ops.swapaxes(kernel, -1, -2)
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        scale = STEP * math.sqrt(max(matrix.shape))
        update = ops.reshape(orthogonal(matrix), kernel.shape)
        if transposed:
            update = ops.swapaxes(update, -1, -2)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * scale * update)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "transposed": self.transposed}


def transposed_kernels(network: keras.Model) -> set[str]:
    """Return the paths of the kernels of a network's transposed convolutions."""
    layers = network._flatten_layers()
    return {each.kernel.path for each in layers if isinstance(each, keras.layers.Conv2DTranspose)}


def orthogonal(matrix: Any) -> Any:
    """Return a matrix (rows, columns) with its singular values driven to between 0.7 and 1.2."""
    if matrix.shape[0] > matrix.shape[1]:
        return ops.transpose(orthogonal(ops.transpose(matrix)))
    a, b, c = COEFFICIENTS
    x = matrix / (ops.norm(matrix) + 1e-7)
    for _ in range(TIMES):
        square = x @ ops.transpose(x)
        x = a * x + (b * square + c * square @ square) @ x
    return x
