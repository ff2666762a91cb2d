"""Assigns the arrays of a file to the variables of a network, with checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_tf.models import Critic, create_critic
from neuralgym_lite.errors import UserError

FEW = 3
MAX_WIDTH = 256


@dataclass(frozen=True)
class WeightSlot:
    """A variable of a network, and the array in a file that is assigned to it."""

    variable: Any
    shape: tuple[int, ...]  # of the array in the file
    convert: Callable[[NDArray[np.float32]], NDArray[np.float32]]  # to the variable's layout


def assign_weights(slots: Mapping[str, WeightSlot], arrays: Mapping[str, Any]) -> None:
    """Assign arrays to their variables, all or none.

    Args:
        slots: name in the file -> slot.
        arrays: name in the file -> array of any float dtype.

    Raises:
        UserError: If an array is missing, left over, of another shape or not finite.
    """
    problems = [f"'{name}' is missing" for name in slots if name not in arrays]
    problems += [f"'{name}' is left over" for name in arrays if name not in slots]
    problems += [
        f"'{name}' has shape {np.shape(arrays[name])}, expected {slot.shape}"
        for name, slot in slots.items()
        if name in arrays and np.shape(arrays[name]) != slot.shape
    ]
    if problems:
        raise UserError(f"These weights are of another network: {_list(problems)}.")
    with np.errstate(over="ignore"):
        values = {name: np.asarray(arrays[name], "float32") for name in slots}
    broken = [f"'{name}'" for name in slots if not np.isfinite(values[name]).all()]
    if broken:
        raise UserError(f"These weights are not all finite numbers: {_list(broken)}.")
    for name, slot in slots.items():
        slot.variable.assign(slot.convert(values[name]))


def dimension(arrays: Mapping[str, Any], name: str, axis: int, limit: int = MAX_WIDTH) -> int:
    """Return the number of channels of a kernel along an axis.

    Raises:
        UserError: If the kernel is missing, has not 4 dimensions, or has too many channels, on
            which the memory of the network depends.
    """
    if name not in arrays:
        raise UserError(f"These weights are of another network: '{name}' is missing.")
    shape = np.shape(arrays[name])
    found = f"These weights are of another network: '{name}' has shape {shape}"
    if len(shape) != 4:
        raise UserError(f"{found}, expected 4 dimensions.")
    if not 2 <= shape[axis] <= limit:
        raise UserError(f"{found}, and {shape[axis]} channels are not in 2 to {limit}.")
    return int(shape[axis])


def check_count(arrays: Mapping[str, Any], least: int) -> None:
    """Check that there are enough weights for the network that would be created."""
    count = sum(np.size(array) for array in arrays.values())
    if 3 * count < least:
        raise UserError(
            f"These weights are of another network: they are {count:,} numbers, and one of this "
            f"width has {least:,} or more."
        )


def make_critic(
    kind: str,
    arrays: Mapping[str, Any],
    kernels: Sequence[str],
    dense: str,
    axis: int,
    compat: str,
) -> Critic:
    """Create a critic of the size and widths of its arrays, with random weights.

    Args:
        kind: "local" or "global".
        arrays: name in the file -> array.
        kernels: names of the first and the last kernel.
        dense: name of the kernel of the dense layer.
        axis: axis of the output channels of a kernel.
        compat: dialect of the critic.
    """
    width = dimension(arrays, kernels[0], axis)
    last_width = dimension(arrays, kernels[1], axis, limit=8 * MAX_WIDTH)
    inputs = np.size(arrays.get(dense, ()))
    side = math.isqrt(inputs // last_width)
    if inputs != side * side * last_width:
        raise UserError(
            f"The {kind} critic judges no square pictures: its dense layer has {inputs} inputs, "
            f"for {last_width} channels."
        )
    size = 16 * max(side, 1)
    check_count(arrays, Critic.least_weights(size, width, last_width))
    return create_critic(kind, size=size, width=width, last_width=last_width, compat=compat)


def _list(problems: list[str]) -> str:
    more = len(problems) - FEW
    return ", ".join(problems[:FEW]) + (f", and {more} more" if more > 0 else "")
