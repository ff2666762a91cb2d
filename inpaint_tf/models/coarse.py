"""The coarse network, which makes a first prediction of the image."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.models.blocks import (
    ConvFactory,
    build_chain,
    clip_to_picture,
    receptive_field_of,
    run_chain,
)


@keras.saving.register_keras_serializable(package="inpaint_tf")
class CoarseNetwork(keras.layers.Layer):
    """An encoder, dilated convolutions and a decoder: 17 convolutions.

    Args:
        width: channels after the first convolution. 32 gives 1,448,227 weights.
        compat: convention of the weights.

    Attributes:
        receptive_field: radius of the receptive field in pixels.

    Call arguments:
        inputs: image, ones and mask, `(B, H, W, 5)`. H and W are multiples of 4.

    Returns:
        `(B, H, W, 3)` float32, clipped to [-1, 1].

    Reference:
        Yu et al. 2018, figure 2, and the release `v1.0.0`.
    """

    def __init__(self, width: int, compat: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        make = ConvFactory(compat, self.dtype_policy)
        self.chain = [
            make.conv("conv1", width, kernel_size=5),
            make.conv("conv2_downsample", 2 * width, strides=2),
            make.conv("conv3", 2 * width),
            make.conv("conv4_downsample", 4 * width, strides=2),
            make.conv("conv5", 4 * width),
            make.conv("conv6", 4 * width),
            make.conv("conv7_atrous", 4 * width, dilation=2),
            make.conv("conv8_atrous", 4 * width, dilation=4),
            make.conv("conv9_atrous", 4 * width, dilation=8),
            make.conv("conv10_atrous", 4 * width, dilation=16),
            make.conv("conv11", 4 * width),
            make.conv("conv12", 4 * width),
            make.upsample("conv13", 2 * width),
            make.conv("conv14", 2 * width),
            make.upsample("conv15", width),
            make.conv("conv16", width // 2),
            make.picture("conv17"),
        ]
        build_chain(self.chain, channels=5)
        self.receptive_field = receptive_field_of(self.chain)
        self.built = True

    def call(self, inputs: Any) -> Any:
        return clip_to_picture(run_chain(self.chain, inputs))
