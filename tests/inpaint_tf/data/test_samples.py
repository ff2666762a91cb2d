"""The samples: real crops of scikit-image's photographs, train and test apart."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inpaint_tf.data import PhotoSet, open_photos
from inpaint_tf.data.samples import PHOTOGRAPHS, crop_box
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import read_rgb


@pytest.fixture
def samples() -> PhotoSet:
    return open_photos("samples")


def test_crops_are_a_function_of_their_key(samples: PhotoSet) -> None:
    # The SHA-256 of chelsea#0007 is ea62... 973d... c56d...: fractions 0.916, 0.591, 0.771, so in
    # columns 150 to 451 side 300 * (0.4 + 0.6 * 0.916), top 16 * 0.591, left 150 + 17 * 0.771.
    assert crop_box("chelsea#0007", 300, 451) == (9, 163, 285, 285)
    # coffee#0100 gives 0.399, 0.783, 0.570, in columns 400 to 600.
    assert crop_box("coffee#0100", 400, 600) == (213, 441, 128, 128)
    again = open_photos("samples")
    np.testing.assert_array_equal(samples.load("chelsea#0007", 32), again.load("chelsea#0007", 32))
    assert samples.fingerprint() == again.fingerprint()


def test_a_crop_is_cut_from_its_photograph(samples: PhotoSet) -> None:
    top, left, height, width = crop_box("chelsea#0007", 300, 451)
    photograph = read_rgb(samples.path("chelsea#0007"))
    np.testing.assert_array_equal(
        samples.load_full("chelsea#0007"), photograph[top : top + height, left : left + width]
    )


def test_changing_a_crop_changes_no_other(samples: PhotoSet) -> None:
    before = samples.load_full("chelsea#0007")
    samples.load_full("chelsea#0007")[:] = 0
    np.testing.assert_array_equal(samples.load_full("chelsea#0007"), before)


def test_test_crops_share_no_pixel_with_train_crops(samples: PhotoSet) -> None:
    for name in PHOTOGRAPHS:
        height, width, _ = read_rgb(samples.path(name)).shape
        covered = {}
        for split, keys in (("train", samples.train), ("test", samples.test)):
            covered[split] = np.zeros((height, width), bool)
            for key in keys:
                if key.startswith(f"{name}#"):
                    top, left, side, _ = crop_box(key, height, width)
                    covered[split][top : top + side, left : left + side] = True
        assert covered["train"].mean() > 0.5
        assert covered["test"].mean() > 0.2
        assert not (covered["train"] & covered["test"]).any()


@given(
    st.sampled_from(["chelsea", "coffee"]),
    st.integers(0, 105),
    st.integers(30, 2000),
    st.integers(30, 2000),
)
def test_crops_lie_inside_their_region(name: str, number: int, height: int, width: int) -> None:
    top, left, side, other = crop_box(f"{name}#{number:04d}", height, width)
    third = width // 3
    start, stop = {
        ("chelsea", False): (third, width),
        ("chelsea", True): (0, third),
        ("coffee", False): (0, width - third),
        ("coffee", True): (width - third, width),
    }[name, number >= 96]
    short = min(height, stop - start)
    assert side == other
    assert round(0.4 * short) <= side <= short
    assert 0 <= top <= height - side
    assert start <= left <= stop - side


def test_counts_and_variety(samples: PhotoSet) -> None:
    assert (len(samples.train), len(samples.test)) == (480, 50)
    assert len(set(samples.train + samples.test)) == 530
    assert {key.split("#")[0] for key in samples.test[:5]} == set(PHOTOGRAPHS)
    boxes = {crop_box(key, 300, 451) for key in samples.train}
    assert len(boxes) > 470


def test_no_network_is_touched(monkeypatch: pytest.MonkeyPatch, samples: PhotoSet) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    for key in samples.test[:5]:
        crop = open_photos("samples").load(key, 16)
        assert crop.shape == (16, 16, 3)
        assert crop.std() > 1


def test_a_data_dir_is_refused() -> None:
    with pytest.raises(UserError, match="takes no `data_dir` .*mine.*`dataset=folder`"):
        open_photos("samples", "mine")


def test_missing_photographs_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("inpaint_tf.data.samples._photograph_folder", lambda: tmp_path)
    with pytest.raises(UserError, match="astronaut.png.*force-reinstall"):
        open_photos("samples")
