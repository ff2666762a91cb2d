"""The precision that a network computes in. Its weights are float32 in any case."""

from __future__ import annotations

from inpaint_tf.models.inpainting_model import InpaintingModel
from neuralgym_lite.distribution import emulates_bfloat16


def with_policy(model: InpaintingModel, policy: str) -> InpaintingModel:
    """Return the network with another dtype policy, or itself if it has that policy already."""
    if model.dtype_policy.name == policy:
        return model
    converted = type(model).from_config({**model.get_config(), "dtype": policy})
    converted.set_weights(model.get_weights())
    return converted


def for_this_machine(model: InpaintingModel) -> InpaintingModel:
    """Return the network in float32 if this machine emulates bfloat16, which is twice as slow.

    Networks in float32 are returned unchanged, because bfloat16 is less exact.
    """
    return with_policy(model, "float32") if emulates_bfloat16() else model
