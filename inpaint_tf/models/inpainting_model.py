"""The base class of all inpainting networks."""

from __future__ import annotations

from typing import Any, TypeAlias

import keras
from keras import ops

from inpaint_tf.layers._compat import check_compat, check_positive
from inpaint_tf.masks import MaskMode

# Models are saved with their mode, which can be used without Keras and does not import it.
keras.saving.register_keras_serializable(package="inpaint_tf")(MaskMode)

AnyMode: TypeAlias = MaskMode | str | dict[str, Any]


class InpaintingModel(keras.Model):
    """Base class of the networks that fill holes.

    Args:
        width: channels after the first convolution. The others are multiples of it.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights.
        mask_mode: the network's input inside a hole: a `MaskMode`, its name or its config.

    Attributes:
        multiple: height and width of the images must be multiples of this.
        fixed_size: the only side of images that the network takes, or None for any size.
        receptive_field: radius of the receptive field in pixels, or None if it is the whole image.
        has_attention: whether calls take `return_attention` and return `"offsets"`.

    Call arguments:
        inputs: a pair of masked image `(B, H, W, 3)` in [-1, 1], made by the mask mode, and mask
            `(B, H, W, 1)`, 1 where missing.

    Returns:
        A dict with at least `"refined"`, the final picture `(B, H, W, 3)` in [-1, 1], float32, not
        composited.

    Example:
        >>> model = inpaint_tf.models.create("glcic", width=2)
        >>> isinstance(model, inpaint_tf.models.InpaintingModel), model.multiple
        (True, 4)
    """

    multiple: int = 8
    fixed_size: int | None = None
    receptive_field: int | None = None
    has_attention: bool = False

    def __init__(
        self, width: int = 32, compat: str = "keras", mask_mode: AnyMode = "hole", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.width = check_positive("width", width)
        if width == 1:
            raise ValueError("`width` must be at least 2. Received: width=1")
        self.compat = check_compat(compat)
        self.mask_mode = MaskMode.get(mask_mode)

    @classmethod
    def least_weights(cls, width: int, **options: Any) -> int:
        """Return a lower bound of the number of weights, without making the network.

        The number is at most five times as large.

        Args:
            width: width of the network.
            **options: other arguments of the class.
        """
        return 1000 * width**2

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "width": self.width,
            "compat": self.compat,
            "mask_mode": self.mask_mode.get_config(),
        }


def composite(output: Any, known: Any, mask: Any) -> Any:
    """Return `output` where the mask is 1 and `known` elsewhere, in the dtype of `known`."""
    mask = ops.cast(mask, known.dtype)
    return ops.cast(output, known.dtype) * mask + known * (1 - mask)


def with_mask_channels(image: Any, mask: Any) -> Any:
    """Join image, ones and mask to 5 channels. The ones mark the border to "same" padding."""
    mask = ops.cast(mask, image.dtype)
    return ops.concatenate([image, ops.ones_like(mask), mask], axis=-1)
