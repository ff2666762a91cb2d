"""Convolution, batch normalization and activation as one layer."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.layers._compat import check_compat, check_positive
from inpaint_tf.layers.compat_conv import CompatConv2D


@keras.saving.register_keras_serializable(package="inpaint_tf")
class NormConv2D(keras.layers.Layer):
    """Convolution or transposed convolution, batch normalization, and an activation.

    In training, the statistics are those of the batch, over all devices. At inference they are
    moving averages.

    Args:
        filters: number of output channels.
        kernel_size: side of the kernel in pixels.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights.
        strides: stride of the convolution.
        dilation_rate: distance of the kernel's taps in pixels.
        activation: activation function or its name.
        transposed: whether the convolution is transposed. Then all conventions agree.

    Call arguments:
        inputs: `(B, H, W, C)`.
        training: whether to normalize by the statistics of the batch.

    Returns:
        `(B, ceil(H / strides), ceil(W / strides), filters)`, or if transposed
        `(B, strides H, strides W, filters)`.

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Ioffe and Szegedy 2015 (arxiv.org/abs/1502.03167).

    Example:
        >>> layer = inpaint_tf.layers.NormConv2D(8, 3, strides=2, activation="relu")
        >>> layer(np.ones((1, 16, 16, 3))).shape
        TensorShape([1, 8, 8, 8])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        compat: str = "keras",
        strides: int = 1,
        dilation_rate: int = 1,
        activation: Any = "relu",
        transposed: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = check_positive("filters", filters)
        self.kernel_size = check_positive("kernel_size", kernel_size)
        self.compat = check_compat(compat)
        self.strides = check_positive("strides", strides)
        self.dilation_rate = check_positive("dilation_rate", dilation_rate)
        self.activation = keras.activations.get(activation)
        self.transposed = transposed
        options = {
            "strides": strides,
            "dilation_rate": dilation_rate,
            "dtype": self.dtype_policy,
            "name": "conv",
        }
        if transposed:
            self.conv = keras.layers.Conv2DTranspose(
                filters, kernel_size, padding="same", **options
            )
        else:
            self.conv = CompatConv2D(filters, kernel_size, compat, **options)
        self.norm = keras.layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            # Other backends have the whole batch on one device and refuse the option.
            synchronized=keras.backend.backend() == "tensorflow",
            dtype=self.dtype_policy,
            name="norm",
        )
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.conv.build(input_shape)
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        features = self.conv(inputs)
        return self.activation(self.norm(features, training=training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.conv.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "compat": self.compat,
            "strides": self.strides,
            "dilation_rate": self.dilation_rate,
            "activation": keras.activations.serialize(self.activation),
            "transposed": self.transposed,
        }
