"""Checkpoints: whole or not there, whatever happens while they are written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neuralgym_lite.checkpoint import (
    checkpoint_name,
    clean,
    latest_checkpoint,
    newest_whole,
    prune,
    read_meta,
    save_checkpoint,
    set_aside,
    verify,
)
from neuralgym_lite.errors import UserError


def save(folder, iteration: int, content: bytes = b"weights", name: str | None = None) -> Path:
    writers = {"model.h5": lambda path: path.write_bytes(content)}
    return save_checkpoint(folder, name or f"{iteration:06}", writers, {"iteration": iteration})


def names(folder) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def refusal(call, *args) -> str:
    with pytest.raises(UserError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is written


def test_a_checkpoint_holds_its_files_their_sums_and_the_notes(tmp_path):
    path = save_checkpoint(
        tmp_path / "new" / "folder",
        "000007",
        {"a": lambda p: p.write_bytes(b"abc"), "b": lambda p: p.write_bytes(b"")},
        {"iteration": 7, "data": "f00"},
    )
    assert names(path) == ["a", "b", "checkpoint.json"]
    assert names(path.parent) == ["000007"]
    assert read_meta(path) == {"iteration": 7, "data": "f00"}
    sums = json.loads((path / "checkpoint.json").read_text())["files"]
    assert sums["a"] == hashlib.sha256(b"abc").hexdigest()
    assert sums["b"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    verify(path)


def test_the_same_name_is_replaced(tmp_path):
    save(tmp_path, 1, b"old")
    path = save(tmp_path, 1, b"new")
    assert (path / "model.h5").read_bytes() == b"new"
    assert names(tmp_path) == ["000001"]


def test_the_latest_is_of_the_highest_iteration_not_name(tmp_path):
    assert latest_checkpoint(tmp_path / "absent") is None
    assert latest_checkpoint(tmp_path) is None
    newest = save(tmp_path, 100, name="a")
    save(tmp_path, 20, name="z")
    assert latest_checkpoint(tmp_path) == newest


def test_prune_keeps_the_newest(tmp_path):
    for iteration in (3, 1, 20, 4):
        save(tmp_path, iteration)
    (tmp_path / "other").mkdir()
    prune(tmp_path, 2)
    assert names(tmp_path) == ["000004", "000020", "other"]
    prune(tmp_path, 5)
    assert names(tmp_path) == ["000004", "000020", "other"]


# --- a save that does not end


def stop(path: Path) -> None:
    path.write_bytes(b"half")
    raise RuntimeError("stopped")


def test_an_error_in_a_writer_leaves_nothing_new(tmp_path):
    old = save(tmp_path, 1)
    for name in ("000001", "000002"):
        with pytest.raises(RuntimeError, match="stopped"):
            save_checkpoint(
                tmp_path,
                name,
                {"model.h5": lambda p: p.write_bytes(b"new"), "z": stop},
                {"iteration": 2},
            )
        assert names(tmp_path) == ["000001"]
        assert (old / "model.h5").read_bytes() == b"weights"
        verify(old)


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_an_error_at_the_last_moment_leaves_nothing_new(tmp_path, monkeypatch, call):
    old = save(tmp_path, 1)
    with monkeypatch.context() as patch:
        target = (os, "fsync") if call == "fsync" else (Path, "rename")

        def fail(*_args):
            raise OSError(28, "No space left on device")

        patch.setattr(*target, fail)
        with pytest.raises(OSError, match="No space"):
            save(tmp_path, 2)
    assert names(tmp_path) == ["000001"]
    assert latest_checkpoint(tmp_path) == old


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        save_checkpoint(tmp_path, "000001", {"a": lambda p: None}, {"iteration": 1})
    assert names(tmp_path) == []


KILLED = """
import os, pathlib, signal, sys
import neuralgym_lite.checkpoint as c
folder, moment = sys.argv[1], sys.argv[2]
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
def write(path):
    path.write_bytes(b"new")
    if moment == "writing": die()
if moment == "moved":
    rename = pathlib.Path.rename
    pathlib.Path.rename = lambda a, b: die() if "unfinished" in a.name else rename(a, b)
if moment == "done":
    c.shutil.rmtree = die
c.save_checkpoint(folder, sys.argv[3], {"model.h5": write}, {"iteration": 2})
"""


@pytest.mark.parametrize("moment", ["writing", "moved", "done"])
@pytest.mark.parametrize("name", ["000001", "000002"])
def test_kill_inside_a_save(tmp_path, moment, name):
    save(tmp_path, 1, b"old")
    script = [sys.executable, "-c", KILLED, str(tmp_path), moment, name]
    assert subprocess.run(script, check=False).returncode == -9
    for path in tmp_path.glob("[!.]*"):
        verify(path)
    clean(tmp_path)
    latest = latest_checkpoint(tmp_path)
    verify(latest)
    new = moment == "done"
    assert (latest / "model.h5").read_bytes() == (b"new" if new else b"old")
    assert names(tmp_path) == (["000001", name] if new and name != "000001" else ["000001"])


def test_the_next_save_cleans_up(tmp_path):
    (tmp_path / ".unfinished-000001").mkdir(parents=True)
    (tmp_path / ".unfinished-000001" / "half").touch()
    assert latest_checkpoint(tmp_path) is None
    assert save(tmp_path, 1) == latest_checkpoint(tmp_path)
    assert names(tmp_path) == ["000001"]


# --- damage


def test_a_damaged_file_is_named(tmp_path):
    path = save(tmp_path, 1, b"x" * 5000)
    data = bytearray((path / "model.h5").read_bytes())
    data[2500] ^= 1
    (path / "model.h5").write_bytes(data)
    assert refusal(verify, path) == (
        f"Checkpoint '{path}' is damaged: 'model.h5' has another SHA-256."
    )
    (path / "model.h5").write_bytes(data[:100])
    assert "'model.h5' has another SHA-256" in refusal(verify, path)
    (path / "model.h5").unlink()
    assert "'model.h5' is missing" in refusal(verify, path)


DAMAGED = [
    "",
    "{",
    "[]",
    "[" * 5000,
    " " * 2_000_000,
    '{"iteration": 1}',
    '{"iteration": "1"}',
    "\xff",
    '{"iteration": true, "meta": {"iteration": true}, "files": {}}',
    '{"iteration": -1, "meta": {"iteration": -1}, "files": {}}',
    '{"iteration": 9999999999999999, "meta": {"iteration": 9999999999999999}, "files": {}}',
    '{"iteration": 2, "meta": {"iteration": 3}, "files": {}}',
    '{"iteration": 2, "meta": {}, "files": {}}',
    '{"iteration": 2, "iteration": 3, "meta": {"iteration": 3}, "files": {}}',
    '{"iteration": 2, "meta": {"iteration": 2}, "files": {"../../secret": "0"}}',
    '{"iteration": 2, "meta": {"iteration": 2}, "files": {"/etc/hostname": "0"}}',
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_list_of_files_is_named(tmp_path, text):
    path = save(tmp_path, 2)
    (path / "checkpoint.json").write_text(text, encoding="latin-1")
    for call in (verify, read_meta):
        assert "checkpoint.json cannot be understood" in refusal(call, path)


def edit(path: Path, *replaced: str) -> None:
    manifest = path / "checkpoint.json"
    manifest.write_text(manifest.read_text().replace(*replaced))


DAMAGES = {
    "no list": lambda path: (path / "checkpoint.json").unlink(),
    "half a list": lambda path: (path / "checkpoint.json").write_text('{"iteration": 2, "me'),
    "another key": lambda path: edit(path, '"files"', '"filed"'),
    "another iteration": lambda path: edit(path, '"iteration": 2', '"iteration": 0'),
    "another note": lambda path: edit(path, '"order": 0', '"order": 4'),
    "another sum": lambda path: edit(path, '"model.h5": "', '"model.h5": "0'),
    "no files": lambda path: (path / "checkpoint.json").write_text(
        '{"iteration": 2, "meta": {}, "files": {}}'
    ),
    "a file is missing": lambda path: (path / "model.h5").unlink(),
    "a file is cut off": lambda path: (path / "model.h5").write_bytes(b"wei"),
    "nothing in it": lambda path: [file.unlink() for file in path.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_told(tmp_path, damage):
    meta = {"order": 0}
    good, bad = (
        save_checkpoint(
            tmp_path,
            checkpoint_name(iteration),
            {"model.h5": lambda path: path.write_bytes(b"weights")},
            {**meta, "iteration": iteration},
        )
        for iteration in (1, 2)
    )
    damage(bad)
    assert latest_checkpoint(tmp_path) == bad
    assert newest_whole(tmp_path) == good
    assert bad.exists()
    reason = refusal(verify, bad)
    told: list[str] = []
    assert set_aside(tmp_path, told.append) == good
    assert told == [f"{reason} It was moved to '{tmp_path / 'broken' / bad.name}'."]
    assert names(tmp_path) == ["broken", good.name]
    assert latest_checkpoint(tmp_path) == good


def test_a_damaged_one_of_unknown_iteration_may_be_the_newest(tmp_path):
    good, bad = save(tmp_path, 2), save(tmp_path, 1)
    (bad / "checkpoint.json").write_text("{")
    told: list[str] = []
    assert set_aside(tmp_path, told.append) == good
    assert len(told) == 1


def test_nothing_whole_is_left(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "000001" / "model.h5").unlink()
    assert newest_whole(tmp_path) is None
    assert set_aside(tmp_path, lambda line: None) is None
    assert names(tmp_path / "broken") == ["000001"]


def test_a_folder_of_something_else_is_no_checkpoint(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "iteration-00000001.txt").touch()
    assert latest_checkpoint(tmp_path) is None
    assert set_aside(tmp_path, pytest.fail) is None
    assert (tmp_path / "mine").is_dir()


def test_a_checkpoint_of_before_has_no_sum_of_its_notes(tmp_path):
    path = save(tmp_path, 1)
    manifest = json.loads((path / "checkpoint.json").read_text())
    del manifest["sha256"]
    (path / "checkpoint.json").write_text(json.dumps(manifest))
    verify(path)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    assert str(tmp_path) in refusal(verify, tmp_path)
    assert "not a checkpoint" in refusal(read_meta, tmp_path / "absent")
    assert "Received: 0." in refusal(prune, tmp_path, 0)


def test_a_copy_of_a_checkpoint_is_a_checkpoint(tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(save(tmp_path / "run", 1), copy)
    verify(copy)
