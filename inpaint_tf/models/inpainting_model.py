"""What all inpainting networks share: their options, and how those are saved with them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from inpaint_tf.layers._compat import check_compat, check_positive
from inpaint_tf.masks import MaskMode


class InpaintingModel(keras.Model):
    """Base of the networks that fill holes.

    Args:
        width: channels after the first convolution; the others are multiples of it.
        compat: `"keras"`, `"torch"` or `"tf1"`: the dialect of the weights.
        mask_mode: what the network is shown in a hole: a `MaskMode`, its name or its config.

    Attributes:
        multiple: height and width of its pictures are multiples of this many pixels.
        fixed_size: side of the only pictures it takes; None where any size will do.
        receptive_field: radius in pixels; a pixel of the output depends on no input further away.
            None if it may depend on all of them.
        has_attention: whether a call takes `return_attention` and then returns `"offsets"`.

    Call arguments:
        inputs: a pair (masked image `(B, H, W, 3)` in [-1, 1] as the mask mode leaves it, mask
            `(B, H, W, 1)`, 1 where missing).

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
        self,
        width: int = 32,
        compat: str = "keras",
        mask_mode: MaskMode | str | dict[str, Any] = "hole",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.width = check_positive("width", width)
        if width == 1:
            raise ValueError("`width` must be at least 2. Received: width=1")
        self.compat = check_compat(compat)
        self.mask_mode = MaskMode.get(mask_mode)

    @classmethod
    def least_weights(cls, width: int, **options: Any) -> int:
        """Return how many weights a network has at least, without making it.

        It has no more than five times as many.

        Args:
            width: of the network.
            **options: other arguments of its class.
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
    """Return image, ones and mask on 5 channels: the ones show where "same" padding begins."""
    mask = ops.cast(mask, image.dtype)
    return ops.concatenate([image, ops.ones_like(mask), mask], axis=-1)
