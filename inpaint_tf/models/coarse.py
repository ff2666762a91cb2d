"""The coarse network, which makes a first prediction of the image."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.models.blocks import (
    ConvFactory,
    build_chain,
    clip_to_picture,
    dilated_chain,
    receptive_field_of,
    run_chain,
)
from inpaint_tf.models.region import Region


@keras.saving.register_keras_serializable(package="inpaint_tf")
class CoarseNetwork(keras.layers.Layer):
    """An encoder, dilated convolutions and a decoder: 17 convolutions.

    It turns image, ones and mask, `(B, H, W, 5)`, into a picture, `(B, H, W, 3)` float32, clipped
    to [-1, 1]. H and W are multiples of 4.

    Reference:
        Yu et al. 2018, figure 2, and the release `v1.0.0`.
    """

    def __init__(self, width: int, compat: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        make = ConvFactory(compat, self.dtype_policy)
        self.chain = dilated_chain(make.conv, make.upsample, make.picture, width)
        build_chain(self.chain, channels=5)
        self.receptive_field = receptive_field_of(self.chain)
        self.built = True

    def call(self, inputs: Any, region: Region | None = None) -> Any:
        return clip_to_picture(run_chain(self.chain, inputs, region))
