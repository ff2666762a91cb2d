"""The Kaggle layout, its split, where it is looked for, and how it is fetched."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from inpaint_tf.data import open_photos
from inpaint_tf.data.animals import KAGGLE_HANDLE, fetch_animals
from neuralgym_lite.errors import UserError


def make_animals(root: Path, per_class: int = 3) -> Path:
    for name in ("antelope", "badger"):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            (root / name / f"{number:02d}.jpg").write_bytes(b"only listed, never read")
    return root


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Point the places where data sets are looked for to empty ones."""
    monkeypatch.delenv("INPAINT_TF_DATA", raising=False)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    return SimpleNamespace(data=tmp_path / "data", cache=tmp_path / "cache")


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand in for kagglehub with a download that is there already."""
    make_animals(tmp_path / "kaggle/animals/animals")
    (tmp_path / "kaggle/name of the animals.txt").write_text("antelope\nbadger\n")
    handles: list[str] = []

    def dataset_download(handle: str) -> str:
        handles.append(handle)
        return str(tmp_path / "kaggle")

    fake = SimpleNamespace(dataset_download=dataset_download, handles=handles)
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    return fake


def test_sixty_of_a_class_are_55_and_5(tmp_path: Path) -> None:
    photos = open_photos("animals", make_animals(tmp_path / "a", per_class=60))
    for name in ("antelope/", "badger/"):
        assert sum(key.startswith(name) for key in photos.train) == 55
        assert sum(key.startswith(name) for key in photos.test) == 5


@pytest.mark.parametrize("levels", ["", "animals", "animals/animals"])
def test_extra_levels_change_neither_keys_nor_split(tmp_path: Path, levels: str) -> None:
    plain = open_photos("animals", make_animals(tmp_path / "plain"))
    classes = make_animals(tmp_path / "kaggle" / levels)
    photos = open_photos("animals", str(tmp_path / "kaggle"))
    assert photos.root == classes
    assert (photos.train, photos.test) == (plain.train, plain.test)
    assert photos.fingerprint() == plain.fingerprint()


def test_a_class_named_animals_is_a_class(tmp_path: Path) -> None:
    make_animals(tmp_path / "a")
    (tmp_path / "a/badger").rename(tmp_path / "a/animals")
    photos = open_photos("animals", tmp_path / "a")
    assert {key.split("/")[0] for key in photos.test} == {"antelope", "animals"}


def test_a_class_of_one_is_train(tmp_path: Path) -> None:
    root = make_animals(tmp_path / "a")
    (root / "cat").mkdir()
    (root / "cat/only.jpg").touch()
    assert "cat/only.jpg" in open_photos("animals", root).train


def test_own_folder_comes_before_the_cache(
    places: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_animals(places.cache / "animals")
    assert open_photos("animals").root == places.cache / "animals"
    monkeypatch.setenv("INPAINT_TF_DATA", str(places.data))
    assert open_photos("animals").root == places.cache / "animals"
    make_animals(places.data / "animals")
    assert open_photos("animals").root == places.data / "animals"


def test_the_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INPAINT_TF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    root = make_animals(tmp_path / "xdg/inpaint-tf/animals")
    assert open_photos("animals").root == root


def test_fetch_puts_the_classes_into_the_cache(
    kaggle: SimpleNamespace, places: SimpleNamespace
) -> None:
    assert fetch_animals() == places.cache / "animals"
    assert kaggle.handles == [KAGGLE_HANDLE]
    assert [path.name for path in places.cache.iterdir()] == ["animals"]
    photos = open_photos("animals")
    assert photos.root == places.cache / "animals"
    assert (len(photos.train), len(photos.test)) == (4, 2)


def test_fetch_twice_downloads_once(kaggle: SimpleNamespace) -> None:
    assert fetch_animals() == fetch_animals()
    assert len(kaggle.handles) == 1


def test_fetch_copies_where_links_are_impossible(
    kaggle: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    assert len(list(fetch_animals().rglob("*.jpg"))) == 6


def test_a_fetch_that_breaks_off_leaves_nothing(
    kaggle: SimpleNamespace, places: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.link", full_disk)
    monkeypatch.setattr("shutil.copy2", full_disk)
    with pytest.raises(UserError, match="Cannot keep .*INPAINT_TF_CACHE"):
        fetch_animals()
    assert list(places.cache.iterdir()) == []


def test_missing_data_set_names_three_places_and_the_command(places: SimpleNamespace) -> None:
    with pytest.raises(UserError) as caught:
        open_photos("animals")
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "`data_dir`",
        "$INPAINT_TF_DATA/animals (not set)",
        str(places.cache / "animals"),
        "inpaint-tf data get animals",
        "`dataset=samples`",
    ):
        assert part in message


def test_a_data_dir_that_is_missing_is_not_passed_over(places: SimpleNamespace) -> None:
    make_animals(places.cache / "animals")
    with pytest.raises(UserError, match="nowhere"):
        open_photos("animals", "/nowhere")


def test_images_without_classes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UserError, match="no class folders.*`dataset=folder`"):
        open_photos("animals", tmp_path)


def test_missing_kagglehub_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UserError, match=r'pip install "inpaint-tf\[kaggle\]"'):
        fetch_animals()


def test_a_failed_download_is_one_line(
    kaggle: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> str:
        raise RuntimeError("403\nforbidden")

    monkeypatch.setattr(kaggle, "dataset_download", fail)
    with pytest.raises(UserError, match="403 forbidden; check the connection"):
        fetch_animals()
