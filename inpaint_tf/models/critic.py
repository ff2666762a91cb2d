"""WGAN-GP critics, for the whole image and for the box around the hole."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from inpaint_tf.layers import CompatConv2D
from inpaint_tf.layers._compat import check_compat, check_positive
from inpaint_tf.models.blocks import build_chain, check_pictures, check_size

SLOPE = 0.2


@keras.saving.register_keras_serializable(package="inpaint_tf")
class Critic(keras.Model):
    """Four strided 5x5 convolutions with leaky ReLU and one dense unit, without normalization.

    Args:
        size: side of the images in pixels: an integer, or (height, width).
        width: channels after the first convolution. The next two have 2 and 4 times as many.
        last_width: channels after the fourth convolution. None: 4 times `width`. The local critic
            of the 2018 release has 8 times as many.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights.

    Call arguments:
        inputs: `(B, height, width, 3)` in [-1, 1].

    Returns:
        Scores `(B, 1)`, float32, unbounded.

    Raises:
        ValueError: if an argument is out of range, or images have another size.

    Reference:
        Yu et al. 2018, section 3.2.

    Example:
        >>> critic = inpaint_tf.models.Critic(size=32, width=2)
        >>> critic(np.zeros((4, 32, 32, 3))).shape
        TensorShape([4, 1])
    """

    def __init__(
        self,
        size: int | tuple[int, int] = 256,
        width: int = 64,
        last_width: int | None = None,
        compat: str = "keras",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = check_size("size", size)
        self.width = check_positive("width", width)
        last_width = 4 * width if last_width is None else last_width
        self.last_width = check_positive("last_width", last_width)
        self.compat = check_compat(compat)
        widths = (width, 2 * width, 4 * width, self.last_width)
        self.convs = [
            CompatConv2D(filters, 5, compat, strides=2, dtype=self.dtype_policy, name=f"conv{i}")
            for i, filters in enumerate(widths, start=1)
        ]
        channels = build_chain(self.convs, channels=3)
        height, width_ = (-(-side // 16) for side in self.size)
        self.score = keras.layers.Dense(1, dtype="float32", name="linear")
        self.score.build((None, height * width_ * channels))
        self.built = True

    @classmethod
    def least_weights(
        cls, size: int | tuple[int, int] = 256, width: int = 64, last_width: int | None = None
    ) -> int:
        """Return the number of kernel weights of a critic, without making it."""
        last = 4 * width if last_width is None else last_width
        height, width_ = (-(-side // 16) for side in check_size("size", size))
        convolutions = 3 * width + 2 * width**2 + 8 * width**2 + 4 * width * last
        return 25 * convolutions + height * width_ * last

    def call(self, inputs: Any) -> Any:
        check_pictures(inputs, self.size)
        features = inputs
        for conv in self.convs:
            features = _leaky_relu(conv(features))
        return self.score(ops.reshape(features, (-1, self.score.kernel.shape[0])))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": list(self.size),
            "width": self.width,
            "last_width": self.last_width,
            "compat": self.compat,
        }


def _leaky_relu(inputs: Any) -> Any:
    """Apply leaky ReLU, with no gradient through its slope.

    The derivative of the slope is zero. The second backward pass of the gradient penalty would
    carry these zeros through all convolutions.
    """
    slope = ops.where(inputs > 0, ops.ones_like(inputs), ops.full_like(inputs, SLOPE))
    return inputs * ops.stop_gradient(slope)
