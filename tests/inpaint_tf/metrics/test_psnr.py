"""Peak signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from inpaint_tf.metrics import psnr


@pytest.mark.parametrize(("difference", "decibels"), [(255, 0.0), (1, 48.1308036), (10, 28.1308)])
def test_hand_worked(difference: int, decibels: float) -> None:
    truth = np.zeros((4, 4, 3), np.uint8)
    assert psnr(truth, truth + np.uint8(difference)) == pytest.approx(decibels, abs=1e-4)


def test_equals_scikit_image() -> None:
    truth, result = np.random.default_rng(5).integers(0, 256, (2, 40, 30, 3), np.uint8)
    expected = peak_signal_noise_ratio(truth, result, data_range=255)
    assert psnr(truth, result) == pytest.approx(expected, abs=1e-6)


def test_peak_is_255_whatever_the_picture_holds() -> None:
    dark = np.zeros((4, 4, 3), np.uint8)
    bright = np.full((4, 4, 3), 200, np.uint8)
    assert psnr(dark, dark + np.uint8(5)) == psnr(bright, bright + np.uint8(5))


def test_no_error_is_infinite() -> None:
    truth = np.full((2, 4, 4, 3), 7, np.uint8)
    result = truth.copy()
    result[1, 0, 0] = 8
    scores = psnr(truth, result)
    assert scores[0] == np.inf
    assert np.isfinite(scores[1])


def test_a_quarter_of_the_picture_costs_six_decibels() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (16, 16, 3), np.uint8)
    mask = np.zeros((16, 16, 1), np.uint8)
    mask[4:12, 4:12] = 1
    result = np.where(mask, rng.integers(0, 256, truth.shape, np.uint8), truth)
    gap = psnr(truth, result) - psnr(truth, result, mask)
    assert gap == pytest.approx(10 * np.log10(4))
