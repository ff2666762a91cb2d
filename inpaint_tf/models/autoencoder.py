"""The baseline: an autoencoder whose only input is the masked image."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.models.blocks import (
    ConvFactory,
    build_chain,
    receptive_field_of,
    run_chain,
    squash_to_picture,
)
from inpaint_tf.models.inpainting_model import AnyMode, InpaintingModel


@keras.saving.register_keras_serializable(package="inpaint_tf")
class Autoencoder(InpaintingModel):
    """An encoder of four blocks, each two convolutions and a pooling, and a linear decoder.

    The decoder has four transposed convolutions, without an activation until the final sigmoid.

    Args:
        width: channels of the first block. 64 gives 5,390,595 weights.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights. All give the same
            result here, because no convolution is strided.
        mask_mode: the network's input inside a hole.

    Call arguments:
        inputs: a pair of masked image `(B, H, W, 3)` in [-1, 1] and mask `(B, H, W, 1)`, which is
            not used. H and W are multiples of 16.

    Returns:
        A dict of `"refined"`, `(B, H, W, 3)` float32 in [-1, 1].

    Raises:
        ValueError: on an argument out of range.

    Example:
        >>> model = inpaint_tf.models.Autoencoder(width=2)
        >>> image, mask = np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32, 1))
        >>> model((image, mask))["refined"].shape
        TensorShape([1, 32, 32, 3])
    """

    multiple = 16

    def __init__(
        self, width: int = 64, compat: str = "keras", mask_mode: AnyMode = "hole", **kwargs: Any
    ) -> None:
        super().__init__(width, compat, mask_mode, **kwargs)
        policy = self.dtype_policy
        make = ConvFactory(compat, policy)
        self.chain: list[keras.layers.Layer] = []
        for block, filters in enumerate((width, 2 * width, 4 * width, 8 * width), start=1):
            self.chain += [
                make.conv(f"conv{block}_1", filters, activation="relu"),
                make.conv(f"conv{block}_2", filters, activation="relu"),
                keras.layers.MaxPooling2D(dtype=policy, name=f"pool{block}"),
            ]
        for block, filters in enumerate((4 * width, 2 * width, width, width), start=1):
            options = {"padding": "same", "dtype": policy, "name": f"deconv{block}"}
            self.chain.append(keras.layers.Conv2DTranspose(filters, 2, strides=2, **options))
        self.chain.append(make.picture("picture", kernel_size=1))
        build_chain(self.chain, channels=3)
        self.receptive_field = receptive_field_of(self.chain)
        self.built = True

    def call(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
        masked_image, _ = inputs
        return {"refined": squash_to_picture(run_chain(self.chain, masked_image))}
