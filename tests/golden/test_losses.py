"""The discount weights against the published code; its trainer's losses are in test_trainer."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.losses import box_discount, discount_weights


@pytest.mark.parametrize("size", [(128, 128), (64, 96), (17, 33), (8, 8)])
def test_box_discount(golden, size):
    expected = np.load(golden / "losses_discount_masks.npz")["discount_{}x{}".format(*size)]
    np.testing.assert_allclose(box_discount(*size), expected, rtol=1e-6)


def test_box_discount_in_a_picture(golden):
    expected = np.load(golden / "losses_discount_masks.npz")["discount_64x96"]
    mask = np.zeros((128, 128, 1), "uint8")
    mask[12:70, 24:110] = 1
    weights = discount_weights(mask, (10, 20, 64, 96), form="box")
    whole = np.zeros((128, 128, 1), "float32")
    whole[10:74, 20:116, 0] = expected
    np.testing.assert_allclose(weights, whole * mask, rtol=1e-6)
