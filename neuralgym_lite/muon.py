"""The optimizer Muon, for convolutional networks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

# Kernels with fewer output channels are output layers, which Muon leaves to Adam.
LEAST_CHANNELS = 4
MOMENTUM = 0.95
# Root mean square of a step as a multiple of the learning rate, which is about Adam's.
STEP = 0.2
# Coefficients of a x + b x^3 + c x^5, which moves singular values towards 1, and its iterations.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
TIMES = 5


@keras.saving.register_keras_serializable(package="neuralgym_lite")
class ConvMuon(keras.optimizers.Adam):
    """Muon for the kernels of convolutions, Adam for all other weights.

    A kernel is reshaped to a matrix with a column for each output channel. The momentum of its
    gradient is orthogonalized, and scaled to the size of Adam's steps, so that a learning rate for
    Adam can be used. Keras' own Muon supports only matrices, and would update all kernels of
    convolutions with Adam.

    Args:
        *args: arguments of `keras.optimizers.Adam`.
        transposed: paths of the kernels of transposed convolutions, as `transposed_kernels` returns
            them. Their output axis is before the input axis.
        **kwargs: arguments of `keras.optimizers.Adam`.

    Reference:
        Jordan et al. 2024, "Muon: An Optimizer for Hidden Layers in Neural Networks"
        (kellerjordan.github.io/posts/muon). The scale is that of Liu et al. 2025, section 2.2
        (arxiv.org/abs/2502.16982).
    """

    def __init__(self, *args: Any, transposed: Iterable[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.transposed = sorted(transposed)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable with its gradient."""
        index = self._get_variable_index(variable)
        # In a strategy, `variable` has no path.
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
        """Return the arguments of the optimizer."""
        return {**super().get_config(), "transposed": self.transposed}


def transposed_kernels(network: keras.Model) -> set[str]:
    """Return the paths of the kernels of a network's transposed convolutions."""
    layers = network._flatten_layers()
    return {each.kernel.path for each in layers if isinstance(each, keras.layers.Conv2DTranspose)}


def orthogonal(matrix: Any) -> Any:
    """Return a matrix with the same singular vectors, and singular values from 0.7 to 1.2."""
    if matrix.shape[0] > matrix.shape[1]:
        return ops.transpose(orthogonal(ops.transpose(matrix)))
    a, b, c = COEFFICIENTS
    x = matrix / (ops.norm(matrix) + 1e-7)
    for _ in range(TIMES):
        square = x @ ops.transpose(x)
        x = a * x + (b * square + c * square @ square) @ x
    return x
