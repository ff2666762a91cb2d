"""Stable GLCIC: the paper's model without contextual attention."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from inpaint_tf.layers._compat import check_choice
from inpaint_tf.models.coarse import CoarseNetwork
from inpaint_tf.models.inpainting_model import (
    AnyMode,
    InpaintingModel,
    composite,
    with_mask_channels,
)

WIRINGS = ("composite", "paper-code")


@keras.saving.register_keras_serializable(package="inpaint_tf")
class StableGLCIC(InpaintingModel):
    """Two coarse networks, of which the second refines the prediction of the first.

    Args:
        width: channels after the first convolutions. 32 gives 2,896,454 weights.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights.
        mask_mode: the network's input inside a hole.
        wiring: input of the second network. `"composite"`: the first prediction, composited into
            the photograph, and the mask. `"paper-code"`: the masked image again and an empty mask,
            for weights that were trained with the paper's own code.

    Call arguments:
        inputs: a pair of masked image `(B, H, W, 3)` in [-1, 1] and mask `(B, H, W, 1)`. H and W
            are multiples of 4.

    Returns:
        A dict of `"coarse"` and `"refined"`, `(B, H, W, 3)` float32 in [-1, 1].

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Yu et al. 2018 (arxiv.org/abs/1801.07892), section 3.

    Example:
        >>> model = inpaint_tf.models.StableGLCIC(width=2)
        >>> image, mask = np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32, 1))
        >>> model((image, mask))["refined"].shape
        TensorShape([1, 32, 32, 3])
    """

    multiple = 4

    def __init__(
        self,
        width: int = 32,
        compat: str = "keras",
        mask_mode: AnyMode = "hole",
        wiring: str = "composite",
        **kwargs: Any,
    ) -> None:
        super().__init__(width, compat, mask_mode, **kwargs)
        self.wiring = check_choice("wiring", wiring, WIRINGS)
        policy = self.dtype_policy
        self.coarse = CoarseNetwork(width, compat, dtype=policy, name="coarse")
        self.refinement = CoarseNetwork(width, compat, dtype=policy, name="refinement")
        self.receptive_field = self.coarse.receptive_field + self.refinement.receptive_field
        self.built = True

    def call(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
        masked_image, mask = inputs
        coarse = self.coarse(with_mask_channels(masked_image, mask))
        if self.wiring == "composite":
            inputs = with_mask_channels(composite(coarse, masked_image, mask), mask)
        else:
            inputs = with_mask_channels(masked_image, ops.zeros_like(mask))
        return {"coarse": coarse, "refined": self.refinement(inputs)}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "wiring": self.wiring}
