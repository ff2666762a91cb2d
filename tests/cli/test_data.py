"""`inpaint-tf data`: list, get, check, split."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from inpaint_tf.cli.data import command
from inpaint_tf.data import PhotoSet, open_photos
from neuralgym_lite.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("INPAINT_TF_DATA", raising=False)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Two classes of three pictures, 8 to 10 px high and 12 px wide."""
    for name in ("antelope", "badger"):
        (tmp_path / "animals" / name).mkdir(parents=True)
        for number in range(3):
            picture = Image.fromarray(np.full((8 + number, 12, 3), 40 * number, np.uint8))
            picture.save(tmp_path / "animals" / name / f"{number}.png")
    return tmp_path / "animals"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_list_says_what_is_there_and_what_is_not() -> None:
    rows = {line.split()[0]: line for line in run("list").stdout.splitlines()}
    assert "inpaint-tf data get animals" in rows["animals"]
    assert "--data-dir DIR" in rows["folder"]
    assert "480 train, 50 test" in rows["samples"]


def test_list_as_json(cache: Path, animals: Path) -> None:
    cache.mkdir()
    animals.rename(cache / "animals")
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["animals"] == {
        "name": "animals",
        "found": True,
        "where": str(cache / "animals"),
        "train": 4,
        "test": 2,
    }
    assert not rows["folder"]["found"]


def test_get_prints_the_folder(cache: Path, animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(dataset_download=lambda handle: str(animals))
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    result = run("get", "animals")
    assert result.exit_code == 0
    assert result.stdout == f"{cache / 'animals'}\n"
    assert "4 train and 2 test" in result.stderr
    assert open_photos("animals").root == cache / "animals"


def test_get_what_needs_no_download() -> None:
    result = run("get", "samples")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing has to be downloaded" in result.stderr


@pytest.mark.parametrize("name", ["imagenet", "places2"])
def test_get_what_only_the_user_may_download(name: str, cache: Path, animals: Path) -> None:
    result = run("get", name)
    assert isinstance(result.exception, UserError)
    assert f"by hand: {'accept' if name == 'imagenet' else 'download'} " in str(result.exception)
    cache.mkdir()
    animals.rename(cache / name)
    assert run("get", name).stdout == f"{cache / name}\n"


def test_check_counts(animals: Path) -> None:
    result = run("check", animals)
    assert result.exit_code == 0
    for part in ("6 (", "0 broken", "4 train, 2 test ('animals')", "8 to 10 px", "antelope"):
        assert part in result.stdout


def test_check_names_broken_files_and_exits_with_1(animals: Path) -> None:
    whole = (animals / "badger/1.png").read_bytes()
    (animals / "badger/1.png").write_bytes(whole[: len(whole) // 2])
    result = run("check", animals)
    assert result.exit_code == 1
    assert "1 broken" in result.stdout
    assert str(animals / "badger/1.png") in result.stdout
    assert result.stdout.count("1.png") == 1
    assert "Reading 6 images." in result.stderr
    assert "6/6 images" in result.stderr


def test_check_as_json(animals: Path) -> None:
    (animals / "badger/1.png").write_bytes(b"fake")
    result = run("check", animals, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert list(report["broken"]) == ["badger/1.png"]
    assert report["classes"] == {"antelope": 3, "badger": 3}
    assert (report["images"], report["train"], report["test"]) == (6, 4, 2)
    assert report["sizes"]["height"] == {"min": 8, "median": 9, "max": 10}
    assert report["sizes"]["width"] == {"min": 12, "median": 12, "max": 12}
    assert report["fingerprint"] == open_photos("animals", animals).fingerprint()
    # Those of a number are alike in both classes.
    equal = sorted(
        sorted(key for keys in each.values() for key in keys) for each in report["duplicates"]
    )
    assert equal == [
        [f"{name}/{number}.png" for name in ("antelope", "badger")] for number in (0, 2)
    ]


def test_check_tells_what_is_left_out(tmp_path: Path) -> None:
    fill_folder(tmp_path, range(13))
    for name in ("a.heic", "b.heic", "c.gif"):
        (tmp_path / name).touch()
    line = f"{tmp_path}: left out 2 .heic and 1 .gif files; read are .jpg"
    result = run("check", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.count(f"others   {line}") == 1
    (told,) = json.loads(run("check", tmp_path, "--json").stdout)["left_out"]
    assert told.startswith(line)
    result = run("split", tmp_path)
    assert result.stderr.count(line) == 1
    assert "heic" not in result.stdout


def test_check_tells_of_images_that_belong_to_no_class(animals: Path) -> None:
    shutil.copy(animals / "badger/1.png", animals / "beside.png")
    result = run("check", animals, "--dataset", "animals")
    assert f"others   {animals}: left out 1 image beside the class folders" in result.stdout


def test_check_and_split_follow_linked_folders(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere").mkdir()
    fill_folder(tmp_path / "photos", range(13))
    before = run("split", tmp_path / "photos", "--json").stdout
    fill_folder(tmp_path / "elsewhere", range(20, 33))
    assert run("split", tmp_path / "photos", "--json").stdout == before
    (tmp_path / "photos/link").symlink_to(tmp_path / "elsewhere")
    assert run("check", tmp_path / "photos").stdout.splitlines()[1].startswith("images   26 ")
    assert "link/00.png" in run("split", tmp_path / "photos").stdout


def test_check_without_duplicates(tmp_path: Path) -> None:
    fill_folder(tmp_path, range(13))
    result = run("check", tmp_path)
    assert result.exit_code == 0
    assert "equal" not in result.stdout
    assert "leak" not in result.stdout
    assert json.loads(run("check", tmp_path, "--json").stdout)["duplicates"] == []


def test_check_tells_of_equal_files(tmp_path: Path) -> None:
    photos = fill_folder(tmp_path, range(24))
    train, other, *_ = photos.train
    test, _ = photos.test
    copy(tmp_path, train, other)
    copy(tmp_path, photos.train[5], test)
    result = run("check", tmp_path)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()[-4:]
    assert lines[0] == "equal    4 files are 2 pictures, to the byte"
    assert lines[1] == f"  {photos.train[5]} (train) = {test} (test)"
    assert lines[2] == f"  {train} (train) = {other} (train)"
    assert lines[3].startswith("leak     1 test images are trained on as well")
    assert json.loads(run("check", tmp_path, "--json").stdout)["duplicates"] == [
        {"train": [photos.train[5]], "test": [test]},
        {"train": [train, other], "test": []},
    ]


def test_check_lists_only_some_equal_files_but_all_as_json(tmp_path: Path) -> None:
    fill_folder(tmp_path, [0] * 30 + [number for number in range(1, 31) for _ in "ab"])
    lines = run("check", tmp_path).stdout.splitlines()
    assert "equal    90 files are 31 pictures, to the byte" in lines
    assert "  and 11 more; --json lists them" in lines
    assert any(line.endswith(" and 10 more") for line in lines)
    duplicates = json.loads(run("check", tmp_path, "--json").stdout)["duplicates"]
    assert sorted(len(each["train"] + each["test"]) for each in duplicates) == [2] * 30 + [30]


def test_broken_files_are_no_duplicates(tmp_path: Path) -> None:
    photos = fill_folder(tmp_path, range(13))
    for key in photos.train[:3]:
        (tmp_path / key).write_bytes(b"")
    result = run("check", tmp_path)
    assert "3 broken" in result.stdout
    assert "equal" not in result.stdout


def test_files_of_one_size_are_compared_by_their_bytes(tmp_path: Path) -> None:
    for number in range(13):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / f"{number}.bmp")
    assert len({path.stat().st_size for path in tmp_path.iterdir()}) == 1
    assert "equal" not in run("check", tmp_path).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_check_of_names_that_are_no_text(tmp_path: Path) -> None:
    fill_folder(tmp_path, range(13))
    for name in ("a\udcff.png", "b\udcff.png", "c\udcff.png"):
        shutil.copy(tmp_path / "00.png", tmp_path / name)
    (tmp_path / "c\udcff.png").write_bytes(b"text")
    result = run("check", tmp_path)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "c\N{REPLACEMENT CHARACTER}.png: not a readable" in result.stdout
    assert "a\N{REPLACEMENT CHARACTER}.png" in result.stdout
    assert list(json.loads(run("check", tmp_path, "--json").stdout)["broken"]) == ["c\udcff.png"]


def test_check_of_links_to_nothing(tmp_path: Path) -> None:
    fill_folder(tmp_path, range(13))
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    for arguments in ((), ("--json",)):
        result = run("check", tmp_path, *arguments)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit)
        assert result.stdout.count("link.png: cannot be read") == 1


def fill_folder(folder: Path, numbers: Iterable[int]) -> PhotoSet:
    """Write a picture a number; equal numbers give equal files."""
    for place, number in enumerate(numbers):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{place:02d}.png")
    return open_photos("folder", folder)


def copy(folder: Path, source: str, target: str) -> None:
    shutil.copy(folder / source, folder / target)


def test_split_lines_are_the_split_that_training_uses(animals: Path) -> None:
    photos = open_photos("animals", animals)
    expected = [f"train\t{key}" for key in photos.train] + [f"test\t{key}" for key in photos.test]
    assert run("split", animals).stdout.splitlines() == expected


def test_split_as_another_data_set(animals: Path) -> None:
    photos = open_photos("folder", animals)
    result = run("split", animals, "--dataset", "folder", "--json")
    assert json.loads(result.stdout) == {"train": list(photos.train), "test": list(photos.test)}
    assert len(photos.test) == 1


def test_a_flat_folder_is_split_as_a_folder(animals: Path) -> None:
    result = run("split", animals / "badger")
    assert "data set 'folder'" in result.stderr
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    "arguments",
    [("get", "animalz"), ("check", "missing"), ("split", "missing"), ("split", ".", "--dataset=x")],
)
def test_refusals_are_one_line(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, UserError)
    assert "\n" not in str(result.exception)
    assert result.stdout == ""
