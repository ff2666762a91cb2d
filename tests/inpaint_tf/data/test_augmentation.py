"""Photographs varied at random."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.data.augmentation import Augmentation

SIZE = 32


def ramp(side):
    """A picture that grows brighter from left to right and, in green, from top to bottom."""
    line = np.linspace(0, 255, side).astype(np.uint8)
    across, down = np.meshgrid(line, line)
    return np.stack([across, down, np.full_like(down, 7)], axis=-1)


def applied(augmentation, seed):
    photo = ramp(augmentation.source_size(SIZE))
    return augmentation.apply(photo, SIZE, np.random.default_rng(seed))


@pytest.mark.parametrize("crop", [1.0, 0.9, 0.5])
@pytest.mark.parametrize("flip", [False, True])
def test_depends_on_the_generator_alone(flip, crop):
    augmentation = Augmentation(flip, crop)
    for seed in range(5):
        picture = applied(augmentation, seed)
        assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, applied(augmentation, seed))


def test_nothing_to_vary_returns_the_photograph_itself():
    photo = ramp(SIZE)
    assert Augmentation().apply(photo, SIZE, np.random.default_rng(0)) is photo
    assert Augmentation().source_size(SIZE) == SIZE


def test_flip_mirrors_half_of_the_photographs():
    photo, mirrored = ramp(SIZE), ramp(SIZE)[:, ::-1]
    flips = 0
    for seed in range(200):
        picture = applied(Augmentation(flip=True), seed)
        flipped = bool(picture[0, 0, 0] > picture[0, -1, 0])
        np.testing.assert_array_equal(picture, mirrored if flipped else photo)
        flips += flipped
    assert 70 < flips < 130


def test_windows_have_at_least_the_smallest_side_and_lie_everywhere():
    spans, starts = [], []
    for seed in range(300):
        picture = applied(Augmentation(smallest_crop=0.5), seed).astype(int)
        spans.append((picture[0, -1, 0] - picture[0, 0, 0]) / 255)
        starts.append(picture[0, 0, :2])
        assert np.all(picture[..., 2] == 7)
    # A window of 32 of 64 pixels spans half the ramp, the whole photograph all of it.
    assert 0.47 < min(spans) < 0.55 and 0.95 < max(spans) <= 1
    left, top = np.array(starts).T
    assert min(left.max(), top.max()) > 80 and max(left.min(), top.min()) < 5
    assert abs(np.corrcoef(left, top)[0, 1]) < 0.8, "both places are drawn"


def test_a_whole_window_is_not_resampled():
    photo = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    # The smallest window of a photograph of just that size is all of it.
    picture = Augmentation(smallest_crop=0.99).apply(photo, SIZE, np.random.default_rng(0))
    np.testing.assert_array_equal(picture, photo)
