"""Every mistake of a user is one line on stderr, which says the way out, and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaint_tf.cli.main import main

# Small, or a mistake that is not noticed would fill the memory.
SMALL = "--image-size 32 --width 4 --batch-size 1 --iterations 5 --set model.critic_width=4"
TRAIN = ["train", "--dataset", "samples", *SMALL.split()]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, on a machine without data sets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INPAINT_TF_DATA", raising=False)


def refuse(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """Run the command line, check how it ends, and return its one line."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["inpaint-tf", *arguments])
        main()
    out, err = capfd.readouterr()
    assert (end.value.code, out) == (2, "")
    assert err.startswith("Error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    return err


def picture(path: str, height: int = 32, width: int = 32) -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ["'trian'", "Did you mean 'train'?"]),
        ([*TRAIN, "--no-such-option"], ["--no-such-option"]),
        (["train", "--dataset", "animal"], ["'animal'", "Did you mean 'animals'?"]),
        (
            ["train", "--dataset", "animals"],
            ["--data-dir", "$INPAINT_TF_DATA/animals", "cache", "inpaint-tf data get animals"],
        ),
        (["train", "--dataset", "folder"], ["--data-dir"]),
        (["train", "--dataset", "folder", "--data-dir", "none"], ["none"]),
        ([*TRAIN, "--mask", "mosiac"], ["mask.mode", "'mosiac'", "Did you mean 'mosaic'?"]),
        ([*TRAIN, "--model", "cca"], ["'cca'", "Did you mean 'ca'?"]),
        ([*TRAIN, "--set", "mask.heigth=8"], ["mask.heigth", "Did you mean 'mask.height'?"]),
        ([*TRAIN, "--set", "n_critic=big"], ["n_critic", "'big'", "integer"]),
        ([*TRAIN, "--set", "seed"], ["key=value", "'seed'"]),
        ([*TRAIN, "--seed", "4294967296", "--run-dir", "run"], ["seed", "less than 4294967296"]),
        ([*TRAIN, "--set", "mask.height=999"], ["999", "32"]),
        ([*TRAIN, "--image-size", "60"], ["data.image_size", "multiple of 8", "60"]),
        ([*TRAIN, "--config", "none.yaml"], ["none.yaml"]),
        ([*TRAIN, "--resume", "--run-dir", "none"], ["none"]),
        ([*TRAIN, "--resume", "--overwrite"], ["--resume", "--overwrite"]),
        (["evaluate", "ns", "--dataset", "sample"], ["'sample'", "Did you mean 'samples'?"]),
        (["evaluate", "ns", "--dataset", "samples", "--mask", "centre"], ["'centre'", "'center'"]),
        (["evaluate", "nns", "--dataset", "samples"], ["nns"]),
        (["data", "get", "animalss"], ["'animalss'", "Did you mean 'animals'?"]),
        (["data", "check", "none"], ["none"]),
    ],
    ids=lambda value: " ".join(word for word in value if word not in TRAIN[1:]),
)
def test_wrong_words(
    arguments: list[str], words: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = refuse(arguments, capfd)
    assert [word for word in words if word not in line] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n_critic: many", ["n_critic", "'many'", "settings.yaml", "integer"]),
        ("optimizer: {learning_rat: 0.1}", ["Did you mean 'optimizer.learning_rate'?"]),
        ("mask: 3", ["'mask'", "3", "settings.yaml"]),
        ("seed: [1", ["settings.yaml", "line 1"]),
    ],
)
def test_wrong_settings(text: str, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    Path("settings.yaml").write_text(text)
    line = refuse([*TRAIN, "--config", "settings.yaml"], capfd)
    assert [word for word in words if word not in line] == []
    assert not Path("runs").exists()


def test_folders_without_photographs(capfd: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    Path("notes").mkdir()
    Path("notes", "a.txt").write_text("no image")
    for folder in ("empty", "notes"):
        line = refuse(["train", "--dataset", "folder", "--data-dir", folder], capfd)
        assert f"{folder}: no picture" in line


def test_a_run_folder_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    Path("run").mkdir()
    Path("run", "manifest.json").write_text("{}")
    line = refuse([*TRAIN, "--run-dir", "run"], capfd)
    assert "--resume or --overwrite" in line
    Path("run", "manifest.json").rename("run/letters.txt")
    assert "not a run" in refuse([*TRAIN, "--run-dir", "run", "--overwrite"], capfd)
    assert [path.name for path in Path("run").iterdir()] == ["letters.txt"]


def test_photographs_that_cannot_be_filled(capfd: pytest.CaptureFixture[str]) -> None:
    picture("mask.png")
    picture("tiny.png", 7, 40)
    picture("tiny-mask.png", 7, 40)
    picture("large.png", 40, 40)
    Path("fake.jpg").write_text("no JPEG")
    Path("half.png").write_bytes(Path(picture("whole.png")).read_bytes()[:500])
    cases = {
        ("tiny.png", "tiny-mask.png"): ["8 pixels", "40x7"],
        ("large.png", "mask.png"): ["large.png", "40x40", "32x32"],
        ("fake.jpg", "mask.png"): ["fake.jpg"],
        ("half.png", "mask.png"): ["half.png"],
        ("none.png", "mask.png"): ["none.png"],
        ("whole.png", "none.png"): ["none.png"],
    }
    for (image, mask), words in cases.items():
        fill = ["fill", image, "--mask", mask, "--model", "telea", "--out", "out"]
        line = refuse(fill, capfd)
        assert [word for word in words if word not in line] == []
    line = refuse(["fill", "whole.png", "--mask", "mask.png", "--model", "x", "--out", "o"], capfd)
    assert "'x'" in line
    assert not any(Path("out").glob("*")) and not Path("o").exists()


@pytest.mark.parametrize(
    ("arguments", "needs_tensorflow"),
    [
        (["trian"], False),
        (["data", "check", "none"], False),
        ([*TRAIN, "--model", "cca"], True),
    ],
)
def test_stderr_of_the_whole_process_is_that_line(
    arguments: list[str], needs_tensorflow: bool
) -> None:
    env = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    # Shows the imports on stderr, each with the name of its module at the end.
    show = [] if needs_tensorflow else ["-X", "importtime"]
    command = [sys.executable, *show, "-m", "inpaint_tf", *arguments]
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    talk = [line for line in result.stderr.splitlines() if not line.startswith("import time:")]
    assert (result.returncode, result.stdout, len(talk)) == (2, "", 1), result.stderr
    assert talk[0].startswith("Error: ")
    assert "tensorflow" not in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["data", "--help"], ["--version"]])
def test_help_waits_for_no_large_package(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "inpaint_tf", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"numpy", "PIL", "cv2", "rich", "pydantic", "keras", "tensorflow"}


@pytest.mark.parametrize("place", ["a" * 300, f"{'a' * 300}/b"])
def test_what_the_system_refuses(place: str, capfd: pytest.CaptureFixture[str]) -> None:
    photo, mask = picture("photo.png"), picture("mask.png")
    words = refuse(["fill", photo, "--mask", mask, "--model", "telea", "--out", place], capfd)
    assert place in words and words.endswith("File name too long\n")


@pytest.mark.parametrize("arguments", [[], ["data"], ["weights"]])
def test_help_is_no_error(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["inpaint-tf", *arguments])
        main()
    assert end.value.code == 2
    assert capfd.readouterr().err.startswith("Usage: ")
