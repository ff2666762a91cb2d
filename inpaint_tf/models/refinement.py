"""The refinement network: a dilated and an attention encoder, and one decoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from inpaint_tf.layers import ContextualAttention
from inpaint_tf.models.blocks import (
    ConvFactory,
    build_chain,
    clip_to_picture,
    dilated_convs,
    fields_of,
    receptive_field_of,
    run_chain,
)
from inpaint_tf.models.region import FEATURE, Region


@keras.saving.register_keras_serializable(package="inpaint_tf")
class RefinementNetwork(keras.layers.Layer):
    """Two parallel encoders, one of them with contextual attention, and a decoder.

    It turns the composited coarse image, ones and mask, `(B, H, W, 5)`, into a picture,
    `(B, H, W, 3)` float32, clipped to [-1, 1]. H and W are multiples of 8. `attention` is called
    instead of the attention layer, with its call arguments.

    Attributes:
        attention_encoder_field: radius in pixels of the receptive field of the attention encoder.
        decoder_field: the same for the dilated encoder together with the decoder.
        attention_decoder_field: the same for the layers after the attention.

    Reference:
        Yu et al. 2018, figure 4, and the release `v1.0.0`.
    """

    def __init__(self, width: int, compat: str, formulation: str = "auto", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        make = ConvFactory(compat, self.dtype_policy)
        self.dilated_encoder = [
            make.conv("conv1", width, kernel_size=5),
            make.conv("conv2_downsample", width, strides=2),
            make.conv("conv3", 2 * width),
            make.conv("conv4_downsample", 2 * width, strides=2),
            make.conv("conv5", 4 * width),
            make.conv("conv6", 4 * width),
            *dilated_convs(make.conv, 4 * width),
        ]
        self.attention_encoder = [
            make.conv("pmconv1", width, kernel_size=5),
            make.conv("pmconv2_downsample", width, strides=2),
            make.conv("pmconv3", 2 * width),
            make.conv("pmconv4_downsample", 4 * width, strides=2),
            make.conv("pmconv5", 4 * width),
            make.conv("pmconv6", 4 * width, activation="relu"),
        ]
        options = {"dtype": self.dtype_policy, "name": "contextual_attention"}
        self.attention = ContextualAttention(compat=compat, formulation=formulation, **options)
        self.attention_decoder = [make.conv("pmconv9", 4 * width), make.conv("pmconv10", 4 * width)]
        self.decoder = [
            make.conv("allconv11", 4 * width),
            make.conv("allconv12", 4 * width),
            make.upsample("allconv13", 2 * width),
            make.conv("allconv14", 2 * width),
            make.upsample("allconv15", width),
            make.conv("allconv16", width // 2),
            make.picture("allconv17"),
        ]
        dilated = build_chain(self.dilated_encoder, channels=5)
        features = build_chain(self.attention_encoder, channels=5)
        attended = build_chain(self.attention_decoder, channels=features)
        build_chain(self.decoder, channels=dilated + attended)
        self.attention_encoder_field = receptive_field_of(self.attention_encoder)
        self.decoder_field = receptive_field_of([*self.dilated_encoder, *self.decoder])
        self.attention_decoder_field = receptive_field_of(
            [*self.attention_decoder, *self.decoder], pixel=FEATURE
        )
        self.built = True

    def call(
        self,
        inputs: Any,
        mask: Any,
        return_attention: bool = False,
        attention: Callable[..., Any] | None = None,
    ) -> Any:
        features = self.features(inputs)
        attend = attention or self.attention
        attended = attend(features, features, mask, return_attention=return_attention)
        attended, offsets = attended if return_attention else (attended, None)
        picture = self.decode(inputs, attended)
        return (picture, offsets) if return_attention else picture

    def features(self, inputs: Any) -> Any:
        """Return the features that attention compares, `(B, H / 4, W / 4, 4 width)`."""
        return run_chain(self.attention_encoder, inputs)

    def decode(self, inputs: Any, attended: Any, region: Region | None = None) -> Any:
        """Return the image decoded from the input and the attended features.

        With a `region`, the image is that of its box.
        """
        wide = None
        if region is not None:
            wide = region.grown(math.ceil(fields_of(self.decoder, FEATURE)[0][0]))
        dilated = run_chain(self.dilated_encoder, inputs, wide)
        attended = run_chain(self.attention_decoder, attended, wide, pixel=FEATURE)
        merged = ops.concatenate([dilated, attended], axis=-1)
        return clip_to_picture(run_chain(self.decoder, merged, region, wide, FEATURE))
