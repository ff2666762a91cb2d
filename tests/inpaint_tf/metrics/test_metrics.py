"""What every metric promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from inpaint_tf.metrics import METRICS, l1, mse, psnr, ssim, tv, tv_gap
from neuralgym_lite.errors import UserError

Function = Callable[..., npt.NDArray[np.float64]]
ALL = pytest.mark.parametrize("metric", [mse, l1, psnr, ssim, tv, tv_gap])
MASKED = pytest.mark.parametrize("masked", [False, True])


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 256, (4, 24, 20, 3), np.uint8)
    result = rng.integers(0, 256, truth.shape, np.uint8)
    mask = (rng.random((4, 24, 20, 1)) < 0.4).astype(np.uint8)
    return truth, result, mask


@pytest.mark.parametrize("masked", [False, True])
def test_pixel_errors_equal_a_plain_oracle(
    batch: tuple[np.ndarray, np.ndarray, np.ndarray], masked: bool
) -> None:
    truth, result, mask = batch
    weight = np.broadcast_to(mask if masked else np.ones_like(mask), truth.shape).astype(float)
    error = truth.astype(float) - result.astype(float)
    count = weight.sum(axis=(1, 2, 3))
    squared = (weight * error**2).sum(axis=(1, 2, 3)) / count
    absolute = (weight * abs(error)).sum(axis=(1, 2, 3)) / count
    arguments = batch if masked else batch[:2]
    np.testing.assert_allclose(mse(*arguments), squared, rtol=1e-12)
    np.testing.assert_allclose(l1(*arguments), absolute, rtol=1e-12)
    np.testing.assert_allclose(psnr(*arguments), 20 * np.log10(255 / squared**0.5), rtol=1e-12)


@ALL
@MASKED
def test_a_score_does_not_depend_on_batch_or_order(
    batch: tuple[np.ndarray, np.ndarray, np.ndarray], metric: Function, masked: bool
) -> None:
    arguments = batch if masked else batch[:2]
    scores = metric(*arguments)
    assert scores.dtype == np.float64
    assert scores.shape == (4,)
    order = [2, 0, 3, 1]
    np.testing.assert_array_equal(metric(*(part[order] for part in arguments)), scores[order])
    for index in range(4):
        alone = metric(*(part[index] for part in arguments))
        assert alone.shape == ()
        assert alone == scores[index]


@ALL
def test_one_mask_serves_all_images(
    batch: tuple[np.ndarray, np.ndarray, np.ndarray], metric: Function
) -> None:
    truth, result, mask = batch
    expected = metric(truth, result, np.repeat(mask[:1], 4, axis=0))
    for shared in (mask[0], mask[0, ..., 0], mask[0].astype(bool), mask[0].astype(np.float32)):
        np.testing.assert_array_equal(metric(truth, result, shared), expected)


@ALL
def test_a_full_mask_is_the_whole_picture(
    batch: tuple[np.ndarray, np.ndarray, np.ndarray], metric: Function
) -> None:
    truth, result, mask = batch
    np.testing.assert_allclose(
        metric(truth, result, np.ones_like(mask)), metric(truth, result), rtol=1e-12
    )


def test_the_registry_scores_the_region_that_it_names(
    batch: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    truth, result, mask = batch
    for name, metric in METRICS.items():
        assert f"_{metric.region}" in name
        if name.startswith("lpips"):  # needs weights; its own tests are elsewhere
            continue
        expected = metric.function(*batch) if "_hole" in name else metric.function(*batch[:2])
        np.testing.assert_array_equal(metric.score(truth, result, mask), expected)


@ALL
def test_refuses_what_is_not_a_uint8_picture(metric: Function) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(UserError, match="result must be a uint8 array .* got float32"):
        metric(image, image.astype(np.float32))
    with pytest.raises(UserError, match="truth must be a uint8 array .* got list"):
        metric(image.tolist(), image)
    with pytest.raises(UserError, match=r"got shape \(16, 16\)"):
        metric(image[..., 0], image[..., 0])
    with pytest.raises(UserError, match=r"one shape, got \(16, 16, 3\) and \(16, 15, 3\)"):
        metric(image, image[:, 1:])


@ALL
def test_refuses_a_mask_that_does_not_fit(metric: Function) -> None:
    images = np.zeros((2, 16, 16, 3), np.uint8)
    mask = np.ones((2, 16, 16, 1), np.uint8)
    with pytest.raises(UserError, match=r"got \(16, 15\)"):
        metric(images, images, mask[0, :, 1:, 0])
    with pytest.raises(UserError, match=r"got \(1, 16, 16, 1\)"):
        metric(images, images, mask[:1])
    with pytest.raises(UserError, match="0 .known. and 1 .missing. only, got values up to 255"):
        metric(images, images, mask * np.uint8(255))
    mask[1] = 0
    with pytest.raises(UserError, match="mask 1 has no missing pixel"):
        metric(images, images, mask)
