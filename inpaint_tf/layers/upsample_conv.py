"""Nearest-neighbor upsampling by 2 and a 3x3 convolution, as one transposed convolution."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from inpaint_tf.layers._compat import activate, check_positive
from neuralgym_lite.backend import is_jax

# For the first and the second output of a pixel: the pixel that each tap of the kernel reads, of
# the pixel before, the pixel itself, and the pixel after.
_TAPS = np.array([[[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]])


@keras.saving.register_keras_serializable(package="inpaint_tf")
class UpsampleConv2D(keras.layers.Layer):
    """Upsamples by 2 with nearest neighbors, followed by a 3x3 convolution with "same" padding.

    After the upsampling, the nine taps of the kernel read only four different pixels. So both steps
    equal one transposed convolution of stride 2, whose 4x4 kernel has sums of the 3x3 taps. It
    needs 2.25 times fewer multiplications and no upsampled map in memory. On a CPU it is 2 times
    faster, and 2.5 times in the backward pass. Under JAX, a convolution computes the four outputs
    of each pixel instead. The weights are those of the 3x3 convolution.

    Args:
        filters: number of output channels.
        activation: activation function or its name.

    Call arguments:
        inputs: `(B, H, W, C)`.

    Returns:
        `(B, 2 H, 2 W, filters)`.

    Raises:
        ValueError: if `filters` is not a positive integer.

    Example:
        >>> inpaint_tf.layers.UpsampleConv2D(8)(np.ones((1, 16, 16, 3))).shape
        TensorShape([1, 32, 32, 8])
    """

    def __init__(self, filters: int, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = check_positive("filters", filters)
        self.activation = keras.activations.get(activation)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # The sums of taps are float32. Rounding before them would double the error of bfloat16.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(3, 3, input_shape[-1], self.filters),
            initializer="glorot_uniform",
            autocast=False,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        outputs = self._by_shuffling(inputs) if is_jax() else self._by_transposing(inputs)
        return activate(self.activation, ops.add(outputs, self.bias))

    def _by_transposing(self, inputs: Any) -> Any:
        """Compute the outputs with one transposed convolution."""
        # Upsampling is a transposed convolution with ones. Its kernel is convolved with ours.
        kernel = ops.flip(ops.flip(self.kernel, axis=0), axis=1)
        kernel = ops.transpose(kernel, (0, 1, 3, 2))
        for axis in (0, 1):
            before = [(1, 0) if axis == i else (0, 0) for i in range(4)]
            after = [(0, 1) if axis == i else (0, 0) for i in range(4)]
            kernel = ops.pad(kernel, before) + ops.pad(kernel, after)
        kernel = ops.cast(kernel, self.compute_dtype)
        return ops.conv_transpose(inputs, kernel, strides=2, padding="same")

    def _by_shuffling(self, inputs: Any) -> Any:
        """Compute the four outputs of each pixel as channels of a convolution, and move them.

        It is a plain convolution, and so are its gradients.
        """
        taps = ops.convert_to_tensor(_TAPS, "float32")
        kernel = ops.einsum("aut,bvs,tsio->uviabo", taps, taps, self.kernel)
        kernel = ops.reshape(kernel, (3, 3, self.kernel.shape[2], 4 * self.filters))
        fours = ops.conv(inputs, ops.cast(kernel, self.compute_dtype), padding="same")
        batch, height, width, _ = inputs.shape
        split = ops.reshape(fours, (batch, height, width, 2, 2, self.filters))
        joined = ops.transpose(split, (0, 1, 3, 2, 4, 5))
        return ops.reshape(joined, (batch, 2 * height, 2 * width, self.filters))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, height, width, _ = input_shape
        return (batch, height and 2 * height, width and 2 * width, self.filters)

    def get_config(self) -> dict[str, Any]:
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "filters": self.filters, "activation": activation}
