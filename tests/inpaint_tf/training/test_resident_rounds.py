"""Rounds from a GPU's memory are those that the host makes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from inpaint_tf.data import open_photos
from inpaint_tf.training import resident_rounds
from inpaint_tf.training.procedures import load_train_config
from inpaint_tf.training.resident_rounds import ResidentRounds
from inpaint_tf.training.rounds import RoundDataset
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import ImageError

SIZE = 32
PHOTOS = open_photos("samples").subset(20)


def settings(**flags):
    fixed = {"data.image_size": SIZE, "batch_size": 3, "mask.brush": 0.3, "mask.same_box": False}
    return load_train_config(None, {**fixed, **flags})


def assert_equal(ours, theirs, rounding=0):
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        found = np.asarray(ours[name])
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        apart = np.abs(found.astype(float) - expected.astype(float))
        assert apart.max() <= (rounding if name == "image" else 0)
        assert (apart > 0).mean() < 1e-3


@pytest.mark.parametrize("n_critic", [1, 2])
def test_photographs_are_the_same(n_critic):
    config = settings(n_critic=n_critic)
    ours, theirs = ResidentRounds(PHOTOS, config), RoundDataset(PHOTOS, config)
    for index in (0, 7):
        assert_equal(ours.make(index), theirs.make(index))


def test_augmented_photographs_differ_by_rounding():
    config = settings(**{"data.flip": True, "data.smallest_crop": 0.6})
    ours, theirs = (kind(PHOTOS, config, order=1) for kind in (ResidentRounds, RoundDataset))
    for index in range(10):
        assert_equal(ours.make(index), theirs.make(index), rounding=1)


class Broken(type(PHOTOS)):
    broken = frozenset(PHOTOS.train[3:5] + PHOTOS.train[-1:])

    def load(self, key, size):
        if key in self.broken:
            raise ImageError(f"'{key}' is broken")
        return super().load(key, size)


def broken_photos():
    return Broken(PHOTOS.name, PHOTOS.root, PHOTOS.train, PHOTOS.test)


def test_broken_photographs_are_replaced_and_named():
    config, errors = settings(max_bad_photos=0.2), []
    ours = ResidentRounds(broken_photos(), config, errors.append)
    theirs = RoundDataset(broken_photos(), config)
    for index in range(8):
        assert_equal(ours.make(index), theirs.make(index))
    assert {str(error).split("'")[1] for error in errors} == Broken.broken


def test_too_many_broken_photographs_are_refused():
    with pytest.raises(UserError, match="3 of 20 photographs"):
        ResidentRounds(broken_photos(), settings(max_bad_photos=0.1))


@pytest.mark.parametrize(
    ("changes", "memory", "expected"),
    [
        ({}, 1 << 30, True),
        ({}, 4 * 20 * 3 * SIZE**2 - 1, False),
        ({"data.smallest_crop": 0.5}, 4 * 20 * 3 * SIZE**2, False),
        ({"mask.mode": "hole_ns"}, 1 << 30, False),
    ],
)
def test_where_they_fit(monkeypatch, changes, memory, expected):
    gpu = SimpleNamespace(memory_stats=lambda: {"bytes_limit": memory})
    monkeypatch.setattr(resident_rounds, "is_jax", lambda: True)
    monkeypatch.setattr(resident_rounds, "jax_gpus", lambda: [gpu])
    assert ResidentRounds.fits(PHOTOS, settings(**changes)) is expected


def test_without_a_gpu_they_are_not_used():
    assert not ResidentRounds.fits(PHOTOS, settings())
