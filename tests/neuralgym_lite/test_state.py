from __future__ import annotations

import keras
import numpy as np
import pytest

from neuralgym_lite import state
from neuralgym_lite.errors import UserError


def networks(units=3):
    """Two networks whose variables have the same paths."""
    made = {}
    for name in ("one", "other"):
        layer = keras.layers.Dense(units, name="dense")
        layer.build((None, 2))
        made[name] = layer.variables
    return made


def numbers(groups):
    return [np.array(variable) for variables in groups.values() for variable in variables]


def test_file_brings_every_bit_back(tmp_path):
    groups = networks()
    before = numbers(groups)
    state.write(tmp_path / "state.npz", state.take(groups))
    for variables in groups.values():
        for variable in variables:
            variable.assign(variable + 1)
    state.put(groups, state.read(tmp_path / "state.npz"))
    for ours, theirs in zip(numbers(groups), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_copy_is_one():
    groups = networks()
    taken = state.take(groups)
    before = {name: array.copy() for name, array in taken.items()}
    for variable in groups["one"]:
        variable.assign(variable + 1)
    for name, array in taken.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda taken: taken.popitem(), "other variables: 'other:0001:dense.bias'"),
        (lambda taken: taken.update(more=np.zeros(1)), "other variables: 'more'"),
        (lambda taken: taken.update({next(iter(taken)): np.zeros((2, 4))}), r"shape \(2, 4\)"),
    ],
)
def test_what_does_not_fit_changes_nothing(change, message):
    groups = networks()
    before = numbers(groups)
    taken = {name: array + 1 for name, array in state.take(groups).items()}
    change(taken)
    with pytest.raises(UserError, match=message):
        state.put(groups, taken)
    for ours, theirs in zip(numbers(groups), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_objects_are_not_read(tmp_path):
    np.savez(tmp_path / "state.npz", evil=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        state.read(tmp_path / "state.npz")
