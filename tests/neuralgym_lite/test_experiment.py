"""Run folders: nothing is lost by mistake, and what is written reads back."""

from __future__ import annotations

import datetime
import platform
from pathlib import Path

import keras
import numpy as np
import pytest

from neuralgym_lite import folders
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.folders import temporary_name


def make_run(path) -> RunFolder:
    run = RunFolder.create(path)
    run.write_manifest({"seed": 1}, {"seeds": {"run": 1}})
    return run


def refusal(call, *args, **kwargs) -> str:
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is written


def test_the_places_of_a_run(tmp_path):
    run = make_run(tmp_path / "runs" / "a")
    assert run.path == tmp_path / "runs" / "a"
    assert run.scalars == run.path / "scalars.jsonl"
    folders = {run.checkpoints, run.images, run.tensorboard}
    assert {path.name for path in folders} == {"checkpoints", "images", "tensorboard"}
    assert all(path.is_dir() for path in folders)


def test_config_and_manifest_read_back(tmp_path):
    run = RunFolder.create(tmp_path / "run")
    config = {"train": {"learning_rate": 1e-4}, "name": "Ünï"}
    run.write_manifest(config, {"command": ["train", "--seed", "3"], "parent": tmp_path})
    run = RunFolder.open(run.path)
    assert run.read_config() == config
    manifest = run.read_manifest()
    assert manifest["command"] == ["train", "--seed", "3"]
    assert manifest["parent"] == str(tmp_path)
    assert manifest["python"] == platform.python_version()
    assert manifest["cpu_count"] >= 1
    assert set(manifest["versions"]) == {"tensorflow", "keras", "numpy", "opencv"}
    assert manifest["versions"]["keras"] == keras.__version__
    assert manifest["versions"]["numpy"] == np.__version__
    assert datetime.datetime.fromisoformat(manifest["created"]).utcoffset() == datetime.timedelta(0)


# --- nothing is lost


def test_an_existing_run_is_kept_unless_asked(tmp_path):
    run = make_run(tmp_path / "run")
    run.scalars.write_text("{}\n")
    message = refusal(RunFolder.create, run.path)
    assert str(run.path) in message
    assert "`resume` or `overwrite`" in message
    assert run.scalars.exists()


def test_overwrite_clears_the_run_and_only_the_run(tmp_path):
    run = make_run(tmp_path / "run")
    (run.checkpoints / "000001").mkdir()
    run.scalars.write_text("{}\n")
    run.validation.write_text("{}\n")
    (run.path / "notes.txt").write_text("mine")
    assert RunFolder.create(run.path, overwrite=True).path == run.path
    assert [path.name for path in run.path.iterdir()] == ["notes.txt"]


def test_overwrite_follows_no_link(tmp_path):
    run = make_run(tmp_path / "run")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep").touch()
    run.checkpoints.rmdir()
    run.checkpoints.symlink_to(elsewhere)
    RunFolder.create(run.path, overwrite=True)
    assert (elsewhere / "keep").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("x")
    (tmp_path / "images").mkdir()
    message = refusal(RunFolder.create, tmp_path, overwrite=overwrite)
    assert str(tmp_path) in message
    assert "manifest.json" in message
    assert (tmp_path / "images").exists()


def test_a_run_that_ended_before_its_manifest_can_be_made_again(tmp_path):
    RunFolder.create(tmp_path / "run")
    assert RunFolder.create(tmp_path / "run").path.is_dir()


# --- refusals


def test_what_is_no_run_is_refused(tmp_path):
    assert "no run folder" in refusal(RunFolder.open, tmp_path / "absent")
    assert "no manifest.json" in refusal(RunFolder.open, tmp_path)
    file = tmp_path / "file"
    file.touch()
    assert "is a file" in refusal(RunFolder.create, file)
    assert str(file) in refusal(RunFolder.open, file)


def test_a_damaged_run_is_named(tmp_path):
    run = make_run(tmp_path / "run")
    config = run.path / "config.json"
    for damage in (b'{"seed": ', b"[1]", b"\xff\xfe\x00"):
        config.write_bytes(damage)
        assert f"'{config}' is not a JSON object" in refusal(run.read_config)
    config.unlink()
    assert f"'{config}' is missing" in refusal(run.read_config)


def test_a_run_that_was_killed_at_its_first_file_can_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    path.mkdir()
    (path / temporary_name(tmp_path, ".json").name).write_text("{")
    monkeypatch.setattr(folders, "_is_dead", lambda *_: True)
    assert RunFolder.create(path).path == path
    assert list(path.iterdir()) == []
