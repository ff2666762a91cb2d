"""Convolution with the padding that its weights were trained with."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from inpaint_tf.layers._compat import activate, check_compat
from neuralgym_lite.backend import is_jax


@keras.saving.register_keras_serializable(package="inpaint_tf")
class CompatConv2D(keras.layers.Conv2D):
    """2D convolution with the padding of `"keras"`, `"torch"` or `"tf1"`.

    The conventions agree at stride 1. At stride 2 on even sizes, "same" padding adds one pixel less
    at the top and left. It centers the kernel on odd pixels, and PyTorch's symmetric padding
    centers it on even ones. Weights trained with one padding do not work with the other.

    Args:
        filters: number of output channels.
        kernel_size: odd side of the kernel in pixels.
        compat: `"keras"`, `"torch"` or `"tf1"`.
        **kwargs: further arguments of `keras.layers.Conv2D`, except `padding`.

    Call arguments:
        inputs: `(B, H, W, C)`.

    Returns:
        `(B, ceil(H / strides), ceil(W / strides), filters)`.

    Raises:
        ValueError: if `compat` is unknown.

    Reference:
        github.com/daa233/generative-inpainting-pytorch, issue 5, shows what mixing them gives.

    Example:
        >>> layer = inpaint_tf.layers.CompatConv2D(8, 3, compat="torch", strides=2)
        >>> layer(np.ones((1, 16, 16, 3))).shape
        TensorShape([1, 8, 8, 8])
    """

    def __init__(
        self, filters: int, kernel_size: int, compat: str = "keras", **kwargs: Any
    ) -> None:
        self.compat = check_compat(compat)
        super().__init__(filters, kernel_size, padding="same", **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        outputs = self._convolve(inputs, training)
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        # At inference, convolution, bias and activation are fused, which rounds only once.
        return activate(self.activation, outputs) if training else self.activation(outputs)

    def _convolve(self, inputs: Any, training: bool | None) -> Any:
        if self.compat == "torch" and max(self.strides) > 1:
            pads = [((size - 1) // 2,) * 2 for size in self.kernel_size]
            padded = ops.pad(inputs, ((0, 0), *pads, (0, 0)))
            return ops.conv(padded, self.kernel, self.strides, padding="valid")
        dilates = max(self.dilation_rate) > 1
        if dilates and is_jax():
            return _convolve_dilated(inputs, self.kernel, self.dilation_rate)
        if dilates and not training:
            # Keras dilates by moving pixels into the batch and back, which keeps the bias and the
            # activation from being fused. Not every CPU has the gradient of this operation.
            import tensorflow as tf

            return tf.nn.conv2d(inputs, self.kernel, 1, "SAME", dilations=self.dilation_rate)
        return self.convolution_op(inputs, self.kernel)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["padding"]
        config["kernel_size"] = self.kernel_size[0]
        return {**config, "compat": self.compat}


def _convolve_dilated(inputs: Any, kernel: Any, rates: tuple[int, int]) -> Any:
    """Dilate a "same" convolution by moving every `rate`-th pixel into a batch of its own.

    The convolutions are then plain ones, and so are their gradients.
    """
    batch, height, width, channels = inputs.shape
    rows, columns = rates
    padded = ops.pad(inputs, ((0, 0), (0, -height % rows), (0, -width % columns), (0, 0)))
    tall, wide = padded.shape[1] // rows, padded.shape[2] // columns
    split = ops.reshape(padded, (batch, tall, rows, wide, columns, channels))
    apart = ops.reshape(ops.transpose(split, (2, 4, 0, 1, 3, 5)), (-1, tall, wide, channels))
    outputs = ops.conv(apart, kernel, padding="same")
    filters = outputs.shape[-1]
    split = ops.reshape(outputs, (rows, columns, batch, tall, wide, filters))
    joined = ops.transpose(split, (2, 3, 0, 4, 1, 5))
    return ops.reshape(joined, (batch, tall * rows, wide * columns, filters))[:, :height, :width]
