"""Discount weights and L1 losses."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.losses import box_discount, discount_weights, discounted_l1, known_l1
from inpaint_tf.masks import box_mask
from neuralgym_lite.errors import UserError


def test_known_discount_by_hand():
    # The nearest known pixel of a hole's rim is 1 away, of its centre 2.
    weights = discount_weights(box_mask((1, 1, 3, 3), 5), (0, 0, 5, 5), gamma=0.5)
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = 0.5
    expected[2, 2] = 0.25
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights[..., 0], expected, rtol=1e-6)


def test_known_discount_is_euclidean():
    # An L-shaped hole: of the pixel in its corner the nearest known one is diagonal.
    mask = np.ones((4, 4, 1), "uint8")
    mask[3, 3] = 0
    weights = discount_weights(mask, (0, 0, 4, 4), gamma=0.5)[..., 0]
    assert weights[2, 2] == pytest.approx(0.5 ** np.sqrt(2), rel=1e-5)
    assert weights[0, 0] == pytest.approx(0.5 ** np.sqrt(18), rel=1e-5)
    assert weights[3, 0] == pytest.approx(0.5**3, rel=1e-5)


def test_known_discount_with_nothing_known_and_nothing_missing():
    box = (0, 0, 4, 4)
    assert (discount_weights(np.ones((4, 4, 1), "uint8"), box) == 1).all()
    assert not discount_weights(np.zeros((4, 4, 1), "uint8"), box).any()


def test_box_discount_by_hand():
    # Distances along 4 pixels are 0, 1, 2, 1; the nearer edge counts.
    expected = [[1, 1, 1, 1], [1, 0.5, 0.5, 0.5], [1, 0.5, 0.25, 0.5], [1, 0.5, 0.5, 0.5]]
    np.testing.assert_allclose(box_discount(4, 4, 0.5), expected)


def test_box_discount_lies_in_its_box_and_on_missing_pixels_only():
    mask = box_mask((2, 2, 3, 3), 8)
    weights = discount_weights(mask, (1, 2, 4, 4), gamma=0.5, form="box")[..., 0]
    expected = np.zeros((8, 8))
    expected[2:5, 2:5] = box_discount(4, 4, 0.5)[1:, :3]
    np.testing.assert_allclose(weights, expected)


def test_gamma_of_1_does_not_discount():
    mask = box_mask((2, 2, 4, 4), 8)
    for form in ("known", "box"):
        weights = discount_weights(mask, (2, 2, 4, 4), gamma=1.0, form=form)
        np.testing.assert_array_equal(weights, mask)


def test_unknown_discount():
    with pytest.raises(UserError, match="Unknown discount: 'boxes'. Did you mean 'box'"):
        discount_weights(np.ones((4, 4, 1), "uint8"), (0, 0, 4, 4), form="boxes")


def test_discounted_l1_by_hand():
    truth, output = np.zeros((2, 2, 2, 3), "float32"), np.zeros((2, 2, 2, 3), "float32")
    weights = np.zeros((2, 2, 2, 1), "float32")
    output[0, 0, 0] = (1, -2, 3)
    output[1, 1, 1] = 9
    weights[0, 0, 0] = 0.5
    # 6 halves, over 2 samples of 4 pixels of 3 channels; the other difference weighs nothing.
    assert float(discounted_l1(truth, output, weights, area=4)) == pytest.approx(3 / 24)


def test_known_l1_by_hand():
    truth, output = np.zeros((1, 2, 2, 3), "float32"), np.ones((1, 2, 2, 3), "float32")
    output[0, 0, 0] = 100
    mask = np.zeros((1, 2, 2, 1), "uint8")
    mask[0, 0, 0] = 1
    assert float(known_l1(truth, output, mask)) == pytest.approx(9 / 12)
    assert float(known_l1(truth, output, mask, normalise=True)) == pytest.approx(1)


def test_losses_of_the_truth_are_zero():
    truth = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    mask = np.repeat(box_mask((1, 1, 2, 2), 4)[None], 2, axis=0)
    assert float(known_l1(truth, truth, mask)) == 0
    assert float(discounted_l1(truth, truth, mask.astype("float32"), area=4)) == 0
