"""The three dialects in which other people's weights were trained, and what differs in each."""

from __future__ import annotations

from typing import Any

from keras import ops

from neuralgym_lite.errors import did_you_mean

COMPAT = ("keras", "torch", "tf1")


def check_compat(compat: str) -> str:
    """Return `compat` if it is one of `COMPAT`.

    * `"keras"`: "same" padding, even-pixel sampling, norms clipped at 1e-4. The default.
    * `"torch"`: symmetric padding of strided convolutions and 1e-4 added under the root of the
      norms, as PyTorch ports of the network have it (and the paper's own code).
    * `"tf1"`: as `"keras"`, but sampling with aligned corners, as the 2018 release has it.

    Raises:
        ValueError: if `compat` is another value.
    """
    if compat not in COMPAT:
        raise ValueError(
            f"`compat` must be one of {COMPAT}. Received: compat={compat!r}. "
            f"{did_you_mean(compat, COMPAT)}"
        )
    return compat


def activate(activation: Any, inputs: Any) -> Any:
    """Apply an activation in float32 and return the dtype of `inputs`.

    TensorFlow computes ELU in bfloat16 as `exp(x) - 1`, which is 0 or a multiple of 1/256 for a
    small x: weak signals are lost. In float32, casts included, it is faster too.
    """
    return ops.cast(activation(ops.cast(inputs, "float32")), inputs.dtype)


def check_positive(name: str, value: int) -> int:
    """Return `value` if it is an integer of at least 1.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    return value
