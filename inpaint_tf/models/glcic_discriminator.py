"""GLCIC's discriminator, which sees the whole image and the box around the hole."""

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

WIDTHS = (1, 2, 4, 8, 8)


@keras.saving.register_keras_serializable(package="inpaint_tf")
class GLCICDiscriminator(keras.Model):
    """Two towers of strided 5x5 convolutions, whose embeddings are joined in one dense unit.

    Args:
        local_size: side of the crops around the hole in pixels: an integer, or (height, width).
        global_size: side of the whole images, likewise.
        width: channels after the first convolutions. Later ones have up to 8 times as many. With
            64 and 1024 units, the towers have 19.25 and 25.8 million weights.
        units: length of the embedding of each tower.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights.

    Call arguments:
        inputs: a pair of crops and images, `(B, height, width, 3)` each, in [-1, 1].

    Returns:
        Logits `(B, 1)`, float32, positive for real photographs.

    Raises:
        ValueError: if an argument is out of range, or images have another size.

    Reference:
        Iizuka et al. 2017, "Globally and Locally Consistent Image Completion", section 3.3.

    Example:
        >>> judge = inpaint_tf.models.GLCICDiscriminator(32, 64, width=2, units=4)
        >>> judge((np.zeros((4, 32, 32, 3)), np.zeros((4, 64, 64, 3)))).shape
        TensorShape([4, 1])
    """

    def __init__(
        self,
        local_size: int | tuple[int, int] = 128,
        global_size: int | tuple[int, int] = 256,
        width: int = 64,
        units: int = 1024,
        compat: str = "keras",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.local_size = check_size("local_size", local_size)
        self.global_size = check_size("global_size", global_size)
        self.width = check_positive("width", width)
        self.units = check_positive("units", units)
        self.compat = check_compat(compat)
        options = {"width": width, "units": units, "compat": compat, "dtype": self.dtype_policy}
        self.local_tower = Tower(self.local_size, depth=5, name="local", **options)
        self.global_tower = Tower(self.global_size, depth=6, name="global", **options)
        self.score = keras.layers.Dense(1, dtype="float32", name="linear")
        self.score.build((None, 2 * units))
        self.built = True

    def call(self, inputs: tuple[Any, Any]) -> Any:
        crops, images = inputs
        embeddings = [self.local_tower(crops), self.global_tower(images)]
        return self.score(ops.concatenate(embeddings, axis=-1))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "local_size": list(self.local_size),
            "global_size": list(self.global_size),
            "width": self.width,
            "units": self.units,
            "compat": self.compat,
        }


@keras.saving.register_keras_serializable(package="inpaint_tf")
class Tower(keras.layers.Layer):
    """Strided 5x5 convolutions with batch normalization and ReLU, then a dense layer with ReLU.

    It turns images `(B, height, width, 3)` of one size into embeddings `(B, units)`.
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        depth: int,
        width: int,
        units: int,
        compat: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = check_size("size", size)
        make = ConvFactory(compat, self.dtype_policy)
        self.convs = [
            make.norm_conv(f"conv{i + 1}", WIDTHS[min(i, 4)] * width, kernel_size=5, strides=2)
            for i in range(depth)
        ]
        channels = build_chain(self.convs, channels=3)
        height, width_ = (-(-side // 2**depth) for side in self.size)
        self.embedding = keras.layers.Dense(
            units, activation="relu", dtype=self.dtype_policy, name="describe"
        )
        self.embedding.build((None, height * width_ * channels))
        self.built = True

    def call(self, inputs: Any) -> Any:
        check_pictures(inputs, self.size)
        features = run_chain(self.convs, inputs)
        return self.embedding(ops.reshape(features, (-1, self.embedding.kernel.shape[0])))
