from __future__ import annotations

import keras
import numpy as np
import pytest

from neuralgym_lite.averaging import WARM_UP, WeightAverage


def averaged(values, momentum):
    """The average, and the variable, after it had these values one after the other."""
    weight = keras.Variable(0.0)
    average = WeightAverage([weight], momentum)
    for count, value in enumerate(values, start=1):
        weight.assign(value)
        average.update(count)
    return average, weight


def test_first_update_is_the_weight_itself():
    average, _ = averaged([3.5], 0.999)
    assert float(average.variables[0]) == 3.5


def test_matches_the_formula():
    values = np.random.default_rng(0).normal(size=40)
    expected = 0.0
    for before, value in enumerate(values):
        momentum = min(0.7, before / (before + WARM_UP))
        expected = momentum * expected + (1 - momentum) * value
    assert float(averaged(values, 0.7)[0].variables[0]) == pytest.approx(expected, rel=1e-5)


def test_give_overwrites_the_weights():
    average, weight = averaged([1.0, 3.0], 0.5)
    average.assign_to_weights()
    assert float(weight) == float(average.variables[0]) == pytest.approx(3.0 - 2.0 / (1 + WARM_UP))


@pytest.mark.parametrize("momentum", [0.0, 1.0, -0.1])
def test_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match=rf"in \(0, 1\). Received: momentum={momentum}"):
        WeightAverage([], momentum)
