from __future__ import annotations

import numpy as np
import pytest

from neuralgym_lite.guard import FiniteGuard, NotFiniteError


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [1.0, float("nan")]])
def test_names_iteration_and_scalar(value):
    guard = FiniteGuard(iterations_per_step=5, initial_iteration=10)
    guard.on_train_begin()
    guard.on_epoch_begin(0)
    guard.on_train_batch_end(0, {"loss": 1.0, "d_loss": np.float32(2)})
    with pytest.raises(NotFiniteError, match="At iteration 20 'd_loss' became") as caught:
        guard.on_train_batch_end(1, {"loss": 1.0, "d_loss": value})
    assert (caught.value.iteration, caught.value.scalar) == (20, "d_loss")
