"""Where each weight of a file belongs in a network, and what is said when they do not fit."""

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
class Slot:
    """A variable and the array of a file that belongs in it.

    Attributes:
        variable: of our network.
        shape: of the array in the file.
        convert: brings that array into the variable's layout.
    """

    variable: Any
    shape: tuple[int, ...]
    convert: Callable[[NDArray[np.float32]], NDArray[np.float32]]


def fill_slots(slots: Mapping[str, Slot], arrays: Mapping[str, Any]) -> None:
    """Put arrays into their slots, all or none.

    Args:
        slots: by the names that the file uses.
        arrays: by the same names; any float dtype.

    Raises:
        UserError: naming what is missing, left over, of another shape or not finite.
    """
    with np.errstate(over="ignore"):
        values = {name: np.asarray(array, "float32") for name, array in arrays.items()}
    problems = [f"'{name}' is missing" for name in slots if name not in values]
    problems += [f"'{name}' is left over" for name in values if name not in slots]
    both = [name for name in slots if name in values]
    problems += [
        f"'{name}' has shape {values[name].shape}, expected {slots[name].shape}"
        for name in both
        if values[name].shape != slots[name].shape
    ]
    if problems:
        raise UserError(f"These weights are of another network: {_list(problems)}.")
    broken = [f"'{name}'" for name in both if not np.isfinite(values[name]).all()]
    if broken:
        raise UserError(f"These weights are not all finite numbers: {_list(broken)}.")
    for name, slot in slots.items():
        slot.variable.assign(slot.convert(values[name]))


def dimension(
    arrays: Mapping[str, Any], name: str, axis: int, default: int, limit: int = MAX_WIDTH
) -> int:
    """Return how many channels a kernel has along an axis; the default where it is missing.

    Raises:
        UserError: if no such network has as many: its memory is taken by that number.
    """
    shape = np.shape(arrays.get(name, ()))
    if len(shape) != 4:
        return default
    if not 2 <= shape[axis] <= limit:
        raise UserError(
            f"These weights are of another network: '{name}' has shape {shape}, and "
            f"{shape[axis]} channels are not in 2 to {limit}."
        )
    return int(shape[axis])


def _list(problems: list[str]) -> str:
    more = len(problems) - FEW
    return ", ".join(problems[:FEW]) + (f", and {more} more" if more > 0 else "")
