"""Each sign is told in a run that shows it, and in no healthy one."""

from __future__ import annotations

import pytest

from inpaint_tf.training.health_rules import HEALTH_RULES
from neuralgym_lite.health import Health

HEALTHY = {"wgan_d": -5.0, "bce_d": 0.6, "wgan_gp": 0.5, "output_std": 0.4, "ae": 0.1}
ILL = {"wgan_d": -500.0, "bce_d": 1e-4, "wgan_gp": 50.0, "output_std": 1e-3}


def warnings(logs):
    said = []
    health = Health(HEALTH_RULES, said.append)
    health.on_train_begin()
    health.on_epoch_begin(0)
    for step in range(400):
        health.on_train_batch_end(step, logs(step))
    return said


def test_healthy():
    assert warnings(lambda step: HEALTHY) == []


@pytest.mark.parametrize("scalar", ILL)
def test_ill(scalar):
    (said,) = warnings(lambda step: {**HEALTHY, scalar: ILL[scalar]})
    assert f", {scalar}: " in said
    assert "Try a " in said


def test_known_region_gets_worse():
    (said,) = warnings(lambda step: {**HEALTHY, "ae": 0.1 + 0.001 * step})
    assert "known pixels" in said
