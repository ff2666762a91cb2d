"""The optimizer Muon, for convolutional networks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import keras
from keras import ops

from neuralgym_lite.backend import is_jax

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
        if self._is_kernel(variable):
            update = orthogonal(self._matrix(gradient, variable))
            self._step(variable, update, learning_rate)
        else:
            super().update_step(gradient, variable, learning_rate)

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """Update all variables. Under JAX, matrices of one shape are made orthogonal at once.

        A GPU multiplies a batch of small matrices much faster than one after the other.
        """
        if not is_jax():  # TensorFlow's strategies update one variable at a time.
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        groups = defaultdict(list)
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            if self._is_kernel(variable):
                matrix = self._matrix(gradient, variable)
                groups[matrix.shape].append((variable, matrix))
            else:
                self.update_step(gradient, variable, learning_rate)
        for group in groups.values():
            variables, matrices = zip(*group, strict=True)
            updates = ops.unstack(orthogonal(ops.stack(matrices)))
            for variable, update in zip(variables, updates, strict=True):
                self._step(variable, update, learning_rate)

    def _is_transposed(self, variable: Any) -> bool:
        # In a strategy, `variable` has no path.
        return self._trainable_variables[self._get_variable_index(variable)].path in self.transposed

    def _is_kernel(self, variable: Any) -> bool:
        """Return whether Muon updates this variable."""
        outputs = -2 if self._is_transposed(variable) else -1
        return len(variable.shape) == 4 and variable.shape[outputs] >= LEAST_CHANNELS

    def _matrix(self, gradient: Any, variable: Any) -> Any:
        """Add a gradient to the momentum of a kernel, and return it as a matrix."""
        momentum = self._momentums[self._get_variable_index(variable)]
        self.assign(momentum, gradient + MOMENTUM * momentum)
        kernel = gradient + MOMENTUM * momentum
        if self._is_transposed(variable):
            kernel = ops.swapaxes(kernel, -1, -2)
        return ops.reshape(kernel, (-1, kernel.shape[-1]))

    def _step(self, variable: Any, update: Any, learning_rate: Any) -> None:
        """Subtract an orthogonal matrix, scaled, from a kernel."""
        scale = STEP * math.sqrt(max(update.shape))
        if self._is_transposed(variable):
            *others, outputs, inputs = variable.shape
            update = ops.swapaxes(ops.reshape(update, (*others, inputs, outputs)), -1, -2)
        update = ops.reshape(update, variable.shape)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * scale * update)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the optimizer."""
        return {**super().get_config(), "transposed": self.transposed}


def transposed_kernels(network: keras.Model) -> set[str]:
    """Return the paths of the kernels of a network's transposed convolutions."""
    layers = network._flatten_layers()
    return {each.kernel.path for each in layers if isinstance(each, keras.layers.Conv2DTranspose)}


def orthogonal(matrix: Any) -> Any:
    """Return a matrix with the same singular vectors, and singular values from 0.7 to 1.2.

    Axes before the last two are batch axes.
    """
    if matrix.shape[-2] > matrix.shape[-1]:
        return ops.swapaxes(orthogonal(ops.swapaxes(matrix, -1, -2)), -1, -2)
    a, b, c = COEFFICIENTS
    x = matrix / (ops.norm(matrix, axis=(-2, -1), keepdims=True) + 1e-7)
    for _ in range(TIMES):
        square = x @ ops.swapaxes(x, -1, -2)
        x = a * x + (b * square + c * square @ square) @ x
    return x
