"""`inpaint-tf data`: list, get, check, split."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from inpaint_tf.cli.data import command
from inpaint_tf.data import open_photos
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
    assert "Reading" in result.stderr


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
