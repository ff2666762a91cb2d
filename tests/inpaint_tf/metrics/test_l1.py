"""Mean absolute error."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.metrics import l1


def test_hand_worked() -> None:
    truth = np.full((2, 2, 3), 10, np.uint8)
    result = truth.copy()
    result[0, 1] = (7, 14, 10)
    assert l1(truth, result) == pytest.approx(7 / 12)


def test_hand_worked_in_the_hole() -> None:
    truth = np.full((1, 3, 3), 10, np.uint8)
    result = np.array([[[255] * 3, [4] * 3, [12] * 3]], np.uint8)
    mask = np.array([[0, 1, 1]], np.uint8)
    assert l1(truth, result, mask) == 4.0


def test_differences_do_not_wrap_around() -> None:
    black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    assert l1(black, white) == l1(white, black) == 255.0
