"""Data sets by name, any folder as one, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaint_tf.data import names, open_photos
from inpaint_tf.data.registry import fetch
from neuralgym_lite.errors import UserError


def test_names() -> None:
    assert names() == ("animals", "folder", "imagenet", "places2", "samples")


def test_a_folder_is_split_over_its_whole_tree(tmp_path: Path) -> None:
    for number in range(24):
        path = tmp_path / f"{number % 3}/{number % 2}/{number}.PNG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "notes.txt").touch()
    photos = open_photos("folder", tmp_path)
    assert (photos.name, photos.root) == ("folder", tmp_path)
    assert (len(photos.train), len(photos.test)) == (22, 2)
    assert "0/0/0.PNG" in photos.train + photos.test


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    assert open_photos("folder", "~").root == tmp_path


def test_a_subset_is_of_the_train_photographs(tmp_path: Path) -> None:
    for number in range(24):
        (tmp_path / f"{number}.jpg").touch()
    whole = open_photos("folder", tmp_path)
    assert open_photos("folder", tmp_path, subset=5) == whole.subset(5)
    with pytest.raises(UserError, match="at least 1 photograph. Received: 0"):
        open_photos("folder", tmp_path, subset=0)


@pytest.mark.parametrize("name", ["folder", "samples"])
def test_nothing_to_fetch(name: str) -> None:
    assert fetch(name) is None


@pytest.mark.parametrize("use", [open_photos, fetch])
def test_an_unknown_name_offers_the_nearest(use) -> None:
    with pytest.raises(UserError, match="Unknown data set: 'animal'. Did you mean 'animals'?"):
        use("animal")


def test_a_folder_must_be_named() -> None:
    with pytest.raises(UserError, match="`data_dir=DIR`"):
        open_photos("folder")


@pytest.mark.parametrize("name", ["animals", "folder", "imagenet", "places2"])
def test_folders_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.jpg").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/notes.txt").touch()
    (tmp_path / "one/class").mkdir(parents=True)
    (tmp_path / "one/class/a.jpg").touch()
    for folder in ("missing", "file.jpg", "empty", "texts", "one"):
        with pytest.raises(UserError) as caught:
            open_photos(name, tmp_path / folder)
        message = str(caught.value)
        assert str(tmp_path / folder) in message
        assert "\n" not in message


@pytest.fixture
def two_sets(tmp_path: Path) -> Path:
    for name in ("places2", "folder"):
        for number in range(12):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            shade = number + 100 * (name == "folder")
            Image.fromarray(np.full((9, 9, 3), shade, "uint8")).save(path)
    return tmp_path


def test_data_sets_are_joined_with_their_splits(two_sets: Path) -> None:
    joined = open_photos("places2+folder", two_sets)
    parts = {name: open_photos(name, two_sets / name) for name in ("places2", "folder")}
    assert joined.name == "places2+folder"
    for split in ("train", "test"):
        wanted = [f"{name}/{key}" for name, part in parts.items() for key in getattr(part, split)]
        assert list(getattr(joined, split)) == wanted
    for key in joined.train + joined.test:
        name, own = key.split("/")
        assert joined.path(key) == two_sets / name / own
        assert joined.file_size(key) == (two_sets / name / own).stat().st_size
        assert joined.load(key, 8)[0, 0, 0] == int(own.split(".")[0]) + 100 * (name == "folder")


def test_a_joined_set_has_a_fingerprint_and_subsets(two_sets: Path) -> None:
    joined = open_photos("places2+folder", two_sets)
    assert joined.fingerprint() == open_photos("folder+places2", two_sets).fingerprint()
    few = open_photos("places2+folder", two_sets, subset=4)
    assert sorted(key.split("/")[0] for key in few.train) == ["folder"] * 2 + ["places2"] * 2
    assert few.test == joined.test


def test_what_cannot_be_joined(two_sets: Path) -> None:
    with pytest.raises(UserError, match="joined once. Received: 'folder\\+folder'"):
        open_photos("folder+folder", two_sets)
    with pytest.raises(UserError, match="Unknown data set: 'fold'"):
        open_photos("places2+fold", two_sets)
    with pytest.raises(UserError, match="animals: no such folder"):
        open_photos("places2+animals", two_sets)
