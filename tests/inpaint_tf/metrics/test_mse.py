"""Mean squared error."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.metrics import mse


def test_hand_worked() -> None:
    truth = np.zeros((2, 2, 3), np.uint8)
    result = truth.copy()
    result[0, 0] = (3, 0, 6)
    assert mse(truth, result) == pytest.approx((9 + 36) / 12)


def test_hand_worked_in_the_hole() -> None:
    truth = np.full((2, 2, 3), 200, np.uint8)
    result = truth.copy()
    result[0, 0] = 190
    result[1, 1] = 0
    mask = np.array([[1, 1], [0, 0]], np.uint8)
    assert mse(truth, result, mask) == 50.0


def test_differences_do_not_wrap_around() -> None:
    black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    assert mse(black, white) == mse(white, black) == 255.0**2
