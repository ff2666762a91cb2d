"""The discriminator of the Context Encoder."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from inpaint_tf.layers._compat import check_compat, check_positive
from inpaint_tf.models.blocks import (
    ConvFactory,
    build_chain,
    check_pictures,
    check_size,
    run_chain,
)

REDUCTION = 16


@keras.saving.register_keras_serializable(package="inpaint_tf")
class ContextDiscriminator(keras.Model):
    """Four strided 4x4 convolutions with batch normalization and leaky ReLU, and one dense unit.

    Args:
        size: side of the images in pixels: an integer, or (height, width). With `"torch"`, which
            rounds half of an odd size down, a multiple of 16.
        width: channels after the first convolution. The others have 2, 4 and 8 times as many.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights.

    Call arguments:
        inputs: `(B, height, width, 3)` in [-1, 1].

    Returns:
        Logits `(B, 1)`, float32, positive for real photographs.

    Raises:
        ValueError: if an argument is out of range, or images have another size.

    Reference:
        Pathak et al. 2016, "Context Encoders" (arxiv.org/abs/1604.07379), section 3.2.

    Example:
        >>> judge = inpaint_tf.models.ContextDiscriminator(size=32, width=2)
        >>> judge(np.zeros((4, 32, 32, 3))).shape
        TensorShape([4, 1])
    """

    def __init__(
        self,
        size: int | tuple[int, int] = 128,
        width: int = 64,
        compat: str = "keras",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = check_size("size", size)
        if compat == "torch" and any(side % REDUCTION for side in self.size):
            raise ValueError(f"`size` must be a multiple of {REDUCTION}. Received: size={size}")
        self.width = check_positive("width", width)
        self.compat = check_compat(compat)
        make = ConvFactory(compat, self.dtype_policy)
        self.convs = [
            make.conv("conv1", width, kernel_size=4, strides=2, activation="leaky_relu"),
            *[
                make.norm_conv(f"conv{i}", times * width, 4, strides=2, activation="leaky_relu")
                for i, times in ((2, 2), (3, 4), (4, 8))
            ],
        ]
        channels = build_chain(self.convs, channels=3)
        height, width_ = (-(-side // REDUCTION) for side in self.size)
        self.score = keras.layers.Dense(1, dtype="float32", name="linear")
        self.score.build((None, height * width_ * channels))
        self.built = True

    def call(self, inputs: Any) -> Any:
        check_pictures(inputs, self.size)
        features = run_chain(self.convs, inputs)
        return self.score(ops.reshape(features, (-1, self.score.kernel.shape[0])))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": list(self.size),
            "width": self.width,
            "compat": self.compat,
        }
