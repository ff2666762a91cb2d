"""Convolution whose padding follows the dialect that its weights were trained in."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from inpaint_tf.layers._compat import check_compat


@keras.saving.register_keras_serializable(package="inpaint_tf")
class CompatConv2D(keras.layers.Conv2D):
    """2D convolution that halves the picture as `"keras"`, `"torch"` or `"tf1"` would.

    The dialects agree at stride 1. At stride 2 on even sizes "same" padding pads one pixel less
    at the top and left, so that the window is centred on odd pixels, where PyTorch's symmetric
    padding centres it on even ones. Weights trained in one are useless in the other.

    Args:
        filters: number of output channels.
        kernel_size: odd side of the window in pixels.
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
    """

    def __init__(
        self, filters: int, kernel_size: int, compat: str = "keras", **kwargs: Any
    ) -> None:
        self.compat = check_compat(compat)
        super().__init__(filters, kernel_size, padding="same", **kwargs)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:  # noqa: D102
        if self.compat != "torch" or max(self.strides) == 1:
            return super().convolution_op(inputs, kernel)
        rows, columns = (
            (size - 1) // 2 * dilation
            for size, dilation in zip(self.kernel_size, self.dilation_rate, strict=True)
        )
        padded = ops.pad(inputs, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
        return ops.conv(
            padded, kernel, self.strides, padding="valid", dilation_rate=self.dilation_rate
        )

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        config = super().get_config()
        del config["padding"]
        config["kernel_size"] = self.kernel_size[0]
        return {**config, "compat": self.compat}
