"""The precision that a network computes in, which is not that of its weights."""

from __future__ import annotations

from inpaint_tf.models.inpainting_model import InpaintingModel
from neuralgym_lite.distribution import emulates_bfloat16


def with_policy(model: InpaintingModel, policy: str) -> InpaintingModel:
    """Return the network with its weights at another precision, or itself."""
    if model.dtype_policy.name == policy:
        return model
    converted = type(model).from_config({**model.get_config(), "dtype": policy})
    converted.set_weights(model.get_weights())
    return converted


def for_this_machine(model: InpaintingModel) -> InpaintingModel:
    """Return the network in float32 where bfloat16 would be emulated, which takes twice the time.

    One that was made for float32 stays as it is: bfloat16 is less exact.
    """
    return with_policy(model, "float32") if emulates_bfloat16() else model
