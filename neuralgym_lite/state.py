"""Copies of variables in memory and in files, for checkpoints of networks and optimizers.

The copy is made between two steps, so that training can continue while it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuralgym_lite.arrays import read_arrays
from neuralgym_lite.errors import UserError

State = dict[str, NDArray[Any]]
Groups = Mapping[str, Sequence[Any]]


def take(groups: Groups) -> State:
    """Copy lists of variables, by the name of their network or optimizer, into memory.

    The arrays are named by group, index and path of the variable.
    """
    return {name: np.array(variable) for name, variable in _named(groups).items()}


def put(groups: Groups, state: State) -> None:
    """Assign a result of `take` or `read` to variables, to all of them or to none.

    Raises:
        UserError: if a variable is missing, unknown or of another shape. The message names it.
    """
    variables = _named(groups)
    wrong = sorted(variables.keys() ^ state.keys())
    if wrong:
        raise UserError(f"it has other variables: '{wrong[0]}' does not match")
    for name, variable in variables.items():
        if tuple(variable.shape) != state[name].shape:
            raise UserError(
                f"'{name}' has shape {state[name].shape}, expected {tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(state[name])


def write(path: Path, state: State) -> None:
    """Write a state as an uncompressed `.npz`."""
    with path.open("wb") as file:
        np.savez(file, **state)  # type: ignore[arg-type]


def read(path: Path) -> State:
    """Read a state that `write` wrote. No code in the file is executed."""
    # The file is uncompressed, so that its size is the limit.
    return read_arrays(path, path.stat().st_size)


def _named(groups: Groups) -> dict[str, Any]:
    # Variables of one group may have the same path, so that the key needs the index.
    return {
        f"{group}:{place:04d}:{variable.path.replace('/', '.')}": variable
        for group, variables in groups.items()
        for place, variable in enumerate(variables)
    }
