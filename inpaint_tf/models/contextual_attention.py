"""The paper's model: a coarse and a refinement network with contextual attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from inpaint_tf.models.coarse import CoarseNetwork
from inpaint_tf.models.inpainting_model import (
    AnyMode,
    InpaintingModel,
    composite,
    with_mask_channels,
)
from inpaint_tf.models.refinement import RefinementNetwork
from inpaint_tf.models.region import Region


@keras.saving.register_keras_serializable(package="inpaint_tf")
class ContextualAttentionModel(InpaintingModel):
    """A coarse network, followed by a refinement network with contextual attention.

    The coarse network guesses the hole from a wide context. The refinement network sees that guess
    pasted into the photograph, and takes features from the known parts through contextual
    attention. Gradients flow through both.

    Args:
        width: channels after the first convolutions; 32 gives 3,601,542 weights.
        compat: `"keras"`, `"torch"` or `"tf1"`: the dialect of the weights.
        mask_mode: what the network sees in a hole.
        formulation: of the contextual attention, as `ContextualAttention` has it.

    Call arguments:
        inputs: a pair (masked image `(B, H, W, 3)` in [-1, 1], mask `(B, H, W, 1)`); H and W are
            multiples of 8.
        return_attention: whether to return `"offsets"` too.
        coarse: `(B, H, W, 3)`, used in the holes instead of what the coarse network guesses.
        attention: called instead of the contextual attention layer, with its call arguments.

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
        mask_mode: AnyMode = "hole",
        formulation: str = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(width, compat, mask_mode, **kwargs)
        self.formulation = formulation
        policy = self.dtype_policy
        self.coarse = CoarseNetwork(width, compat, dtype=policy, name="coarse")
        options = {"dtype": policy, "name": "refinement"}
        self.refinement = RefinementNetwork(width, compat, formulation, **options)
        self.built = True

    def call(
        self,
        inputs: tuple[Any, Any],
        return_attention: bool = False,
        coarse: Any = None,
        attention: Callable[..., Any] | None = None,
    ) -> dict[str, Any]:
        masked_image, mask = inputs
        if coarse is None:
            coarse = self.guess(masked_image, mask)
        pasted = with_mask_channels(composite(coarse, masked_image, mask), mask)
        options = {"return_attention": return_attention, "attention": attention}
        refined = self.refinement(pasted, mask, **options)
        if not return_attention:
            return {"coarse": coarse, "refined": refined}
        return {"coarse": coarse, "refined": refined[0], "offsets": refined[1]}

    def guess(self, masked_image: Any, mask: Any, region: Region | None = None) -> Any:
        """Return the picture that the coarse network makes, `(B, H, W, 3)` float32.

        With a `region`, it is that of its box.
        """
        return self.coarse(with_mask_channels(masked_image, mask), region)

    def features(self, pasted: Any, mask: Any) -> Any:
        """Return the features that attention compares, `(B, H / 4, W / 4, 4 width)`.

        `pasted` is the masked image with the coarse picture in its holes.
        """
        return self.refinement.features(with_mask_channels(pasted, mask))

    def decode(self, pasted: Any, mask: Any, attended: Any, region: Region | None = None) -> Any:
        """Return the picture decoded from the attended features, `(B, H, W, 3)` float32.

        With a `region`, it is that of its box.
        """
        return self.refinement.decode(with_mask_channels(pasted, mask), attended, region)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "formulation": self.formulation}
