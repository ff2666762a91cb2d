"""Assigns the arrays of a file to the variables of a network, with checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError

FEW = 3
MAX_WIDTH = 256


@dataclass(frozen=True)
class WeightSlot:
    """A variable of a network and the array in a file that is assigned to it.

    Attributes:
        variable: variable of the network.
        shape: shape of the array in the file.
        convert: function that converts the array to the layout of the variable.
    """

    variable: Any
    shape: tuple[int, ...]
    convert: Callable[[NDArray[np.float32]], NDArray[np.float32]]


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
    if len(shape) != 4:
        raise UserError(
            f"These weights are of another network: '{name}' has shape {shape}, expected 4 "
            "dimensions."
        )
    if not 2 <= shape[axis] <= limit:
        raise UserError(
            f"These weights are of another network: '{name}' has shape {shape}, and "
            f"{shape[axis]} channels are not in 2 to {limit}."
        )
    return int(shape[axis])


def check_count(arrays: Mapping[str, Any], least: int) -> None:
    """Check that there are enough weights for the network that would be created."""
    count = sum(np.size(array) for array in arrays.values())
    if 3 * count < least:
        raise UserError(
            f"These weights are of another network: they are {count:,} numbers, and one of this "
            f"width has {least:,} or more."
        )


def _list(problems: list[str]) -> str:
    more = len(problems) - FEW
    return ", ".join(problems[:FEW]) + (f", and {more} more" if more > 0 else "")
