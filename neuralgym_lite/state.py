"""Variables as a copy in memory, and as a file: what a checkpoint holds of networks and optimizers.

The copy is taken between two steps, so that training can go on while it is written.
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
    """Copy variables into memory.

    Args:
        groups: variables by the name of what they belong to.

    Returns:
        Arrays by group, place and path of the variable.
    """
    return {name: np.array(variable) for name, variable in _named(groups).items()}


def put(groups: Groups, state: State) -> None:
    """Bring variables back to a state, all of them or none.

    Args:
        groups: as `take` was given.
        state: as `take` or `read` returned it.

    Raises:
        UserError: naming the first variable that is missing, left over or of another shape.
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
    """Read what `write` wrote; nothing in the file is run."""
    # What `write` wrote is not compressed.
    return read_arrays(path, path.stat().st_size)


def _named(groups: Groups) -> dict[str, Any]:
    # Two networks may have variables of the same path; their place tells them apart.
    return {
        f"{group}:{place:04d}:{variable.path.replace('/', '.')}": variable
        for group, variables in groups.items()
        for place, variable in enumerate(variables)
    }
