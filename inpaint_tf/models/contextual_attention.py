"""The paper's model: a coarse and a refinement network with contextual attention."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.masks import MaskMode
from inpaint_tf.models.coarse import CoarseNetwork
from inpaint_tf.models.inpainting_model import InpaintingModel, composite, with_mask_channels
from inpaint_tf.models.refinement import RefinementNetwork


@keras.saving.register_keras_serializable(package="inpaint_tf")
class ContextualAttentionModel(InpaintingModel):
    """A coarse network, followed by a refinement network with contextual attention.

    The coarse network predicts the hole. Its prediction is composited into the photograph, and the
    refinement network improves it with features that attention copies from the known parts.
    Gradients flow through both networks.

    Args:
        width: channels after the first convolutions. 32 gives 3,601,542 weights.
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention of the weights.
        mask_mode: the network's input inside a hole.
        formulation: implementation of the attention, as for `ContextualAttention`.

    Call arguments:
        inputs: a pair of masked image `(B, H, W, 3)` in [-1, 1] and mask `(B, H, W, 1)`. H and W
            are multiples of 8.
        return_attention: whether to return `"offsets"` as well.

    Returns:
        A dict of `"coarse"` and `"refined"`, `(B, H, W, 3)` float32 in [-1, 1], and with
        `return_attention` of `"offsets"`, `(B, H / 8, W / 8, 2)` int32 (dy, dx).

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Yu et al. 2018 (arxiv.org/abs/1801.07892), sections 3 and 4.

    Example:
        >>> model = inpaint_tf.models.ContextualAttentionModel(width=2)
        >>> image, mask = np.zeros((1, 32, 32, 3)), np.ones((1, 32, 32, 1))
        >>> outputs = model((image, mask), return_attention=True)
        >>> outputs["refined"].shape, outputs["offsets"].shape
        (TensorShape([1, 32, 32, 3]), TensorShape([1, 4, 4, 2]))
    """

    has_attention = True

    def __init__(
        self,
        width: int = 32,
        compat: str = "keras",
        mask_mode: MaskMode | str | dict[str, Any] = "hole",
        formulation: str = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(width, compat, mask_mode, **kwargs)
        self.formulation = formulation
        policy = self.dtype_policy
        self.coarse = CoarseNetwork(width, compat, dtype=policy, name="coarse")
        self.refinement = RefinementNetwork(
            width, compat, formulation, dtype=policy, name="refinement"
        )
        self.built = True

    def call(self, inputs: tuple[Any, Any], return_attention: bool = False) -> dict[str, Any]:
        masked_image, mask = inputs
        coarse = self.coarse(with_mask_channels(masked_image, mask))
        pasted = composite(coarse, masked_image, mask)
        refined = self.refinement(
            with_mask_channels(pasted, mask), mask, return_attention=return_attention
        )
        if not return_attention:
            return {"coarse": coarse, "refined": refined}
        return {"coarse": coarse, "refined": refined[0], "offsets": refined[1]}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "formulation": self.formulation}
