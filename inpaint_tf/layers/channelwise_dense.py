"""A dense layer inside every channel: each pixel of a map sees all others of the same map."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="inpaint_tf")
class ChannelwiseDense(keras.layers.Layer):
    """Connects all pixels of a feature map with each other, every channel by itself.

    m maps of n x n pixels have one n² x n² matrix and n² biases each: m n⁴ weights, where a dense
    layer over everything would have m² n⁴. Information crosses the whole picture at once; mixing
    channels is left to the 1x1 convolution after it.

    Call arguments:
        inputs: `(B, H, W, C)`, of the height and width that the layer was built with.

    Returns:
        `(B, H, W, C)`.

    Raises:
        ValueError: if height, width or channels are unknown when the layer is built, or others
            than those when it is called.

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
        # Glorot's limit for one matrix: Keras would count all of them as one kernel.
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
