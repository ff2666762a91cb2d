from __future__ import annotations

import pytest

from neuralgym_lite.health import Health, Rule, above, below, risen

STEPS = 30


def told(rules, series):
    said = []
    health = Health(rules, said.append, steps=STEPS)
    health.on_train_begin()
    health.on_epoch_begin(0)
    for step, value in enumerate(series):
        health.on_train_batch_end(step, {"x": value})
    return said


@pytest.mark.parametrize(
    ("sign", "well", "ill"),
    [
        (above(10.0), [1.0], [11.0]),
        (below(-10.0), [1.0], [-11.0]),
        (risen(1.5), [1.0], [1.0] * 10 + [1.2] * 10 + [1.8] * 10),
    ],
)
def test_signs(sign, well, ill):
    rule = Rule("x", sign, "it is {value:.3g}, try less.")
    assert told([rule], well * 100) == []
    said = told([rule], ill * (60 // len(ill)))
    assert len(said) == 1
    assert said[0].startswith("Warning: iteration 30, x: it is ")


def test_single_peaks_are_no_sign():
    assert told([Rule("x", above(10.0), "-")], ([1.0] * 9 + [1e6]) * 20) == []


def test_other_scalars_are_left_alone():
    assert told([Rule("y", above(0.0), "-")], [1.0] * 100) == []
