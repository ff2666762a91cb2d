"""GLCIC: a completion network with dilated convolutions and batch normalization."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from inpaint_tf.models.blocks import (
    ConvFactory,
    build_chain,
    dilated_chain,
    receptive_field_of,
    run_chain,
    squash_to_picture,
)
from inpaint_tf.models.inpainting_model import AnyMode, InpaintingModel


@keras.saving.register_keras_serializable(package="inpaint_tf")
class GLCIC(InpaintingModel):
    """Completion network of "Globally and Locally Consistent Image Completion".

    Args:
        width: channels after the first convolution. 64 gives 6,066,179 weights in convolutions.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights.
        mask_mode: the network's input inside a hole.

    Call arguments:
        inputs: a pair of masked image `(B, H, W, 3)` in [-1, 1] and mask `(B, H, W, 1)`. H and W
            are multiples of 4.

    Returns:
        A dict of `"refined"`, `(B, H, W, 3)` float32 in [-1, 1].

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Iizuka et al. 2017, section 3.2.

    Example:
        >>> model = inpaint_tf.models.GLCIC(width=2)
        >>> image, mask = np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32, 1))
        >>> model((image, mask))["refined"].shape
        TensorShape([1, 32, 32, 3])
    """

    multiple = 4

    def __init__(
        self, width: int = 64, compat: str = "keras", mask_mode: AnyMode = "hole", **kwargs: Any
    ) -> None:
        super().__init__(width, compat, mask_mode, **kwargs)
        make = ConvFactory(compat, self.dtype_policy)
        self.chain = dilated_chain(
            make.norm_conv,
            lambda name, filters: make.norm_deconv(f"de{name}", filters),
            make.picture,
            width,
        )
        build_chain(self.chain, channels=4)
        self.receptive_field = receptive_field_of(self.chain)
        self.built = True

    def call(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
        masked_image, mask = inputs
        mask = ops.cast(mask, masked_image.dtype)
        features = run_chain(self.chain, ops.concatenate([masked_image, mask], axis=-1))
        return {"refined": squash_to_picture(features)}
