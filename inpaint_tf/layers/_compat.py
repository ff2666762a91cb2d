"""The three conventions of published weights, and checks of arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keras import ops

from neuralgym_lite.errors import did_you_mean

COMPAT = ("keras", "torch", "tf1")


def check_compat(compat: str) -> str:
    """Return `compat` if it is one of `COMPAT`, else raise a ValueError.

    * `"keras"`, the default: "same" padding, sampling of even pixels, norms of at least 1e-4.
    * `"torch"`, for PyTorch ports and the paper's own code: symmetric padding of strided
      convolutions, and 1e-4 added to each squared value of a norm.
    * `"tf1"`, for the release of 2018: as `"keras"`, but sampling with aligned corners.
    """
    return check_choice("compat", compat, COMPAT)


def check_choice(name: str, value: str, choices: Iterable[str]) -> str:
    """Return `value` if it is one of the choices, else raise a ValueError."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {choices}. Received: {name}={value!r}. "
            f"{did_you_mean(value, choices)}"
        )
    return value


def activate(activation: Any, inputs: Any) -> Any:
    """Apply an activation in float32, and cast the result back to the dtype of `inputs`.

    TensorFlow computes ELU in bfloat16 as `exp(x) - 1`, which rounds small values to multiples of
    1/256. In float32 it is faster too, even with both casts.
    """
    return ops.cast(activation(ops.cast(inputs, "float32")), inputs.dtype)


def check_positive(name: str, value: int) -> int:
    """Return `value` if it is an integer of at least 1, else raise a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    return value
