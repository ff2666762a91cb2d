"""ImageNet in Kaggle's layout and in plain ones, and the paper's subset of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from inpaint_tf.data import open_photos
from inpaint_tf.data.imagenet import fetch_imagenet
from neuralgym_lite.errors import UserError

CLASSES = ("n01440764", "n01443537", "n02124075")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("INPAINT_TF_DATA", raising=False)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def make_challenge(top: Path, per_class: int = 20, tests: int = 12) -> Path:
    """Make Kaggle's archive below `top`, and return the folder of its split."""
    root = top / "ILSVRC/Data/CLS-LOC"
    for name in CLASSES:
        touch(top / f"ILSVRC/Annotations/CLS-LOC/train/{name}/{name}_0.xml")
        for number in range(per_class):
            touch(root / f"train/{name}/{name}_{number}.JPEG")
    for number in range(tests):
        touch(root / f"val/ILSVRC2012_val_{number:08d}.JPEG")
        touch(root / f"test/ILSVRC2012_test_{number:08d}.JPEG")
    return root


def classes(keys: tuple[str, ...]) -> Counter[str]:
    return Counter(key.split("/")[-2] for key in keys)


@pytest.mark.parametrize("below", [".", "ILSVRC", "ILSVRC/Data", "ILSVRC/Data/CLS-LOC"])
def test_the_challenges_own_split_is_found_from_any_folder(tmp_path: Path, below: str) -> None:
    root = make_challenge(tmp_path / "top")
    photos = open_photos("imagenet", tmp_path / "top" / below, subset=44)
    assert (photos.name, photos.root) == ("imagenet", root)
    assert len(photos.train) == 44
    assert all(key.startswith("train/n") for key in photos.train)
    assert len(photos.test) == 4
    assert all(key.startswith("val/ILSVRC2012_val_") for key in photos.test)
    assert all(photos.path(key).is_file() for key in photos.train + photos.test)


def test_a_subset_is_balanced_and_grows_by_adding(tmp_path: Path) -> None:
    make_challenge(tmp_path)
    (small, large) = (open_photos("imagenet", tmp_path, subset=count) for count in (31, 50))
    assert sorted(classes(small.train).values()) == [10, 10, 11]
    assert set(small.train) < set(large.train)
    assert set(small.test) < set(large.test)
    assert small.fingerprint() != large.fingerprint()


def test_the_test_photographs_are_the_first_by_hash(tmp_path: Path) -> None:
    make_challenge(tmp_path)
    keys = [f"val/ILSVRC2012_val_{number:08d}.JPEG" for number in range(12)]
    ranked = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())
    assert set(open_photos("imagenet", tmp_path, subset=33).test) == set(ranked[:3])
    assert len(open_photos("imagenet", tmp_path, subset=1).test) == 1


def test_by_default_it_is_the_subset_of_the_paper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_challenge(tmp_path)
    everything = open_photos("imagenet", tmp_path)
    assert everything.default_subset == 50_000
    assert (len(everything.train), len(everything.test)) == (60, 5)
    monkeypatch.setattr(type(everything), "default_subset", 22)
    photos = open_photos("imagenet", tmp_path)
    assert (len(photos.train), len(photos.test)) == (22, 2)
    assert len(open_photos("imagenet", tmp_path, subset=40).train) == 40


def test_a_test_split_in_class_folders_is_balanced_too(tmp_path: Path) -> None:
    for name in CLASSES:
        for number in range(30):
            touch(tmp_path / f"train/{name}/{number}.JPEG")
            touch(tmp_path / f"val/{name}/{number}.JPEG")
    photos = open_photos("imagenet", tmp_path, subset=66)
    assert set(classes(photos.test).values()) == {2}


def test_class_folders_without_a_split_are_split_within_each(tmp_path: Path) -> None:
    for name in CLASSES:
        for number in range(24):
            touch(tmp_path / f"{name}/{number}.jpg")
    photos = open_photos("imagenet", tmp_path)
    assert photos.root == tmp_path
    assert classes(photos.train) == dict.fromkeys(CLASSES, 22)
    assert classes(photos.test) == dict.fromkeys(CLASSES, 2)


def test_a_flat_folder_is_split_as_a_whole(tmp_path: Path) -> None:
    for number in range(24):
        touch(tmp_path / f"{number}.jpg")
    photos = open_photos("imagenet", tmp_path)
    assert (len(photos.train), len(photos.test)) == (22, 2)
    assert photos.default_subset is None


def test_it_is_found_in_the_cache(cache: Path) -> None:
    root = make_challenge(cache / "imagenet")
    assert open_photos("imagenet").root == root
    assert fetch_imagenet() == cache / "imagenet"


def test_fetching_says_what_to_download_and_where_to_put_it(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (cache, tmp_path / "data"):
        with pytest.raises(UserError) as caught:
            fetch_imagenet()
        message = str(caught.value)
        assert "\n" not in message
        for part in ("ImageNet Object Localization Challenge", "terms", str(place / "imagenet")):
            assert part in message
        monkeypatch.setenv("INPAINT_TF_DATA", str(tmp_path / "data"))


def test_an_empty_half_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "train/n01440764/a.JPEG")
    (tmp_path / "val").mkdir()
    with pytest.raises(UserError, match=f"{tmp_path / 'val'}: no picture"):
        open_photos("imagenet", tmp_path)
