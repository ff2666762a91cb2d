"""Structural similarity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from skimage import data
from skimage.metrics import structural_similarity

from inpaint_tf.metrics import ssim
from neuralgym_lite.errors import UserError

Image = npt.NDArray[np.uint8]


def _oracle(truth: Image, result: Image) -> tuple[float, npt.NDArray[np.float64]]:
    mean, full = structural_similarity(
        truth,
        result,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
        full=True,
    )
    return mean, full


@pytest.fixture
def pair() -> tuple[Image, Image]:
    truth = data.astronaut()[100:196, 60:180]
    noise = np.random.default_rng(3).normal(0, 25, truth.shape)
    return truth, np.clip(truth + noise, 0, 255).astype(np.uint8)


def test_equals_scikit_image(pair: tuple[Image, Image]) -> None:
    truth, result = pair
    assert ssim(truth, result) == pytest.approx(_oracle(truth, result)[0], abs=1e-12)


@pytest.mark.parametrize("place", [(0, 0), (40, 60), (93, 118)])
def test_a_single_changed_pixel_anywhere_equals_scikit_image(
    pair: tuple[Image, Image], place: tuple[int, int]
) -> None:
    truth = pair[0]
    result = truth.copy()
    result[place] ^= 128
    assert ssim(truth, result) == pytest.approx(_oracle(truth, result)[0], abs=1e-12)


def test_in_the_hole_equals_scikit_images_map(pair: tuple[Image, Image]) -> None:
    truth, result = pair
    mask = np.zeros(truth.shape[:2], np.uint8)
    mask[:40, 30:70] = 1  # up to the border, where the window leaves the picture
    expected = _oracle(truth, result)[1][5:40, 30:70].mean()
    assert ssim(truth, result, mask) == pytest.approx(expected, abs=1e-12)


def test_flat_pictures_by_hand() -> None:
    dark, bright = np.full((11, 11, 3), 50, np.uint8), np.full((11, 11, 3), 100, np.uint8)
    c1 = 2.55**2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert ssim(dark, bright) == pytest.approx(expected, abs=1e-9)


def test_equal_pictures_score_one(pair: tuple[Image, Image]) -> None:
    assert ssim(pair[0], pair[0]) == 1.0


def test_refuses_pictures_smaller_than_its_window() -> None:
    small = np.zeros((10, 64, 3), np.uint8)
    with pytest.raises(UserError, match="at least 11x11 pixels, got 10x64"):
        ssim(small, small)


def test_refuses_a_hole_that_no_window_is_centred_on() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    mask = np.zeros((32, 32), np.uint8)
    mask[:5] = 1
    with pytest.raises(UserError, match="5 px or more from the border"):
        ssim(image, image, mask)
