"""Total variation."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.metrics import tv, tv_gap


def _grey(rows: list[list[int]]) -> np.ndarray:
    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=-1)


def test_hand_worked() -> None:
    image = _grey([[0, 10, 20], [0, 0, 255]])
    across = (10 + 10 + 0 + 255) / 4
    down = (0 + 10 + 235) / 3
    assert tv(image, image) == pytest.approx(across + down)


def test_the_hole_scores_as_its_crop() -> None:
    rng = np.random.default_rng(0)
    truth, result = rng.integers(0, 256, (2, 3, 20, 24, 3), np.uint8)
    mask = np.zeros((3, 20, 24, 1), np.uint8)
    mask[:, 4:11, 6:18] = 1
    crop = np.s_[:, 4:11, 6:18]
    np.testing.assert_allclose(tv(truth, result, mask), tv(truth[crop], result[crop]), rtol=1e-12)


def test_a_flat_picture_and_a_lone_missing_pixel_have_none() -> None:
    flat = np.full((5, 5, 3), 9, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, flat.shape, np.uint8)
    mask = np.zeros((5, 5), np.uint8)
    mask[2, 2] = 1
    assert tv(flat, flat) == 0
    assert tv(noise, noise, mask) == 0


def test_looks_at_the_result_only() -> None:
    a, b, result = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3), np.uint8)
    assert tv(a, result) == tv(b, result)


def test_the_gap_is_above_zero_where_the_result_is_too_smooth() -> None:
    truth = _grey([[0, 100], [0, 100]])
    smooth = _grey([[0, 40], [0, 40]])
    assert tv_gap(truth, smooth) == 60.0
    assert tv_gap(smooth, truth) == -60.0
    assert tv_gap(truth, truth) == 0.0
