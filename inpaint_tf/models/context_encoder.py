"""Context Encoder: an encoder and a decoder, joined by a channel-wise dense layer."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.layers import ChannelwiseDense
from inpaint_tf.layers._compat import check_positive
from inpaint_tf.models.blocks import ConvFactory, build_chain, run_chain
from inpaint_tf.models.inpainting_model import AnyMode, InpaintingModel


@keras.saving.register_keras_serializable(package="inpaint_tf")
class ContextEncoder(InpaintingModel):
    """Encoder, channel-wise dense layer and decoder, for images of one size.

    This is the network of the paper's text, for holes at any position. The authors' released code
    differs: it has a second strided layer of 64 channels, a full bottleneck instead of the
    channel-wise layer, and predicts only the middle quarter of the image.

    Args:
        image_size: side of the images in pixels, a multiple of 16.
        width: channels after the first convolution. The others have 2, 4 and 8 times as many.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights. All give the same
            result here, because the padding of a strided 4x4 kernel is the same in all.
        mask_mode: the network's input inside a hole.

    Call arguments:
        inputs: a pair of masked image `(B, image_size, image_size, 3)` in [-1, 1] and mask
            `(B, image_size, image_size, 1)`, which is not used.

    Returns:
        A dict of `"refined"`, `(B, image_size, image_size, 3)` float32 in [-1, 1].

    Raises:
        ValueError: if an argument is out of range, or images have another size.

    Reference:
        Pathak et al. 2016, "Context Encoders" (arxiv.org/abs/1604.07379).

    Example:
        >>> model = inpaint_tf.models.ContextEncoder(image_size=32, width=2)
        >>> image, mask = np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32, 1))
        >>> model((image, mask))["refined"].shape
        TensorShape([1, 32, 32, 3])
    """

    multiple = 16

    def __init__(
        self,
        image_size: int = 128,
        width: int = 64,
        compat: str = "keras",
        mask_mode: AnyMode = "hole",
        **kwargs: Any,
    ) -> None:
        super().__init__(width, compat, mask_mode, **kwargs)
        if check_positive("image_size", image_size) % self.multiple:
            raise ValueError(
                f"`image_size` must be a multiple of {self.multiple}. "
                f"Received: image_size={image_size}"
            )
        self.fixed_size = image_size
        policy = self.dtype_policy
        make = ConvFactory(compat, policy)
        self.chain = [
            make.conv("conv1", width, kernel_size=4, strides=2, activation="leaky_relu"),
            *[
                make.norm_conv(f"conv{i}", times * width, 4, strides=2, activation="leaky_relu")
                for i, times in ((2, 2), (3, 4), (4, 8))
            ],
            ChannelwiseDense(dtype=policy, name="channelwise_dense"),
            make.norm_conv("mix", 8 * width, kernel_size=1),
            make.norm_deconv("deconv1", 4 * width),
            make.norm_deconv("deconv2", 2 * width),
            make.norm_deconv("deconv3", width),
            keras.layers.Conv2DTranspose(
                3, 4, strides=2, padding="same", activation="tanh", dtype="float32", name="deconv4"
            ),
        ]
        build_chain(self.chain, channels=3, size=image_size)
        self.built = True

    @classmethod
    def least_weights(cls, width: int, image_size: int = 128, **options: Any) -> int:
        dense = 8 * width * (image_size // cls.multiple) ** 4
        return super().least_weights(width) + dense

    def call(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
        masked_image, _ = inputs
        if any(side not in (None, self.fixed_size) for side in masked_image.shape[1:3]):
            raise ValueError(
                f"This network takes images of {self.fixed_size}x{self.fixed_size} pixels. "
                f"Received: shape {tuple(masked_image.shape)}"
            )
        return {"refined": run_chain(self.chain, masked_image)}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "image_size": self.fixed_size}
