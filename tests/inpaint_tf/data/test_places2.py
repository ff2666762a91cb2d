"""Places2 in the layouts that it comes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from inpaint_tf.data import open_photos
from inpaint_tf.data.places2 import fetch_places2
from neuralgym_lite.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("INPAINT_TF_DATA", raising=False)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make(root: Path, *folders: str, count: int = 3) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for number in range(count):
            (root / folder / f"{number:08d}.jpg").touch()
    return root


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train_256_places365standard/data_256/a/airfield", "val_256/val_256"),
        ("data_256/a/airfield", "val_256"),
        ("data_large_standard/a/airfield", "val_large"),
        ("train/airfield", "val/airfield"),
        ("train", "validation"),
    ],
)
@pytest.mark.parametrize("above", [".", "places365_standard"])
def test_its_own_split_is_found(tmp_path: Path, above: str, train: str, test: str) -> None:
    root = make(tmp_path / "top" / above, train, test, "test_256")
    photos = open_photos("places2", tmp_path / "top")
    assert (photos.name, photos.root) == ("places2", root)
    assert photos.train == tuple(f"{train}/{number:08d}.jpg" for number in range(3))
    assert photos.test == tuple(f"{test}/{number:08d}.jpg" for number in range(3))


def test_of_two_resolutions_one_is_taken(tmp_path: Path) -> None:
    make(tmp_path, "data_256/a/airfield", "data_large/a/airfield", "val_256", "val_large")
    photos = open_photos("places2", tmp_path)
    assert {key.split("/")[0] for key in photos.train} == {"data_256"}
    assert {key.split("/")[0] for key in photos.test} == {"val_256"}


def test_scenes_are_no_splits(tmp_path: Path) -> None:
    make(tmp_path, "valley", "train_interior", "train_station/platform", count=8)
    photos = open_photos("places2", tmp_path)
    assert (len(photos.train), len(photos.test)) == (22, 2)
    assert photos.root == tmp_path


def test_a_flat_folder_is_split_as_a_whole(tmp_path: Path) -> None:
    photos = open_photos("places2", make(tmp_path, ".places", "flat", count=24))
    assert (len(photos.train), len(photos.test)) == (22, 2)
    assert all(key.startswith("flat/") for key in photos.train + photos.test)


def test_a_subset_leaves_the_test_photographs(tmp_path: Path) -> None:
    make(tmp_path, "train/airfield", "train/alley", "val")
    photos = open_photos("places2", tmp_path, subset=4)
    assert [sum(name in key for key in photos.train) for name in ("airfield", "alley")] == [2, 2]
    assert len(photos.test) == 3


def test_it_is_found_in_the_cache(cache: Path) -> None:
    make(cache / "places2", "train", "val")
    assert open_photos("places2").root == cache / "places2"
    assert fetch_places2() == cache / "places2"


def test_fetching_says_what_to_download_and_where_to_put_it(cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetch_places2()
    message = str(caught.value)
    assert "\n" not in message
    for part in ("places2-mit-dataset", "terms", str(cache / "places2"), "`data_dir=DIR`"):
        assert part in message
