"""A dense layer over the pixels of each channel."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="inpaint_tf")
class ChannelwiseDense(keras.layers.Layer):
    """Connects all pixels of a feature map, separately for each channel.

    Each of m channels of n x n pixels has an n² x n² matrix and n² biases. That is m n⁴ weights,
    where a dense layer over all channels would have m² n⁴. The layer carries information across the
    whole image. The 1x1 convolution after it mixes the channels.

    Call arguments:
        inputs: `(B, H, W, C)`, of the height and width that the layer was built with.

    Returns:
        `(B, H, W, C)`.

    Raises:
        ValueError: if height, width or channels are unknown when the layer is built, or different
            when it is called.

    Reference:
        Pathak et al. 2016, "Context Encoders" (arxiv.org/abs/1604.07379), section 3.1.

    Example:
        >>> inpaint_tf.layers.ChannelwiseDense()(np.ones((1, 4, 4, 8))).shape
        TensorShape([1, 4, 4, 8])
    """

    def build(self, input_shape: tuple[Any, ...]) -> None:
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                "The inputs must be (B, H, W, C) with known height, width and channels. "
                f"Received: shape {tuple(input_shape)}"
            )
        _, height, width, channels = input_shape
        self.size = height, width, channels
        pixels = height * width
        # Glorot's limit for one matrix. Keras would take all matrices for one kernel.
        limit = math.sqrt(3 / pixels)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, pixels, pixels),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.bias = self.add_weight(name="bias", shape=(pixels, channels), initializer="zeros")
        self.input_spec = keras.layers.InputSpec(ndim=4, axes=dict(enumerate(self.size, start=1)))

    def call(self, inputs: Any) -> Any:
        height, width, channels = self.size
        batch = ops.shape(inputs)[0]
        lines = ops.reshape(inputs, (batch, height * width, channels))
        outputs = ops.add(ops.einsum("bic,cij->bjc", lines, self.kernel), self.bias)
        return ops.reshape(outputs, (batch, height, width, channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)
