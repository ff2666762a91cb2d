"""Folders to write to: made and tried, without a trace, or refused in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neuralgym_lite import folders
from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import (
    ABANDONED,
    atomic_path,
    atomic_write,
    make_folder,
    remove_leftovers,
    temporary_folder,
    temporary_name,
)

WRITER = """
import pathlib, signal, sys, time
from neuralgym_lite.folders import temporary_folder
from neuralgym_lite.folders import atomic_path
out = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
with atomic_path(out / "a.png") as file, temporary_folder(out) as folder:
    file.write_bytes(b"half")
    (folder / "half").mkdir()
    print("writing", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    for _ in range(2):
        assert make_folder(folder) == folder
        assert list(folder.iterdir()) == []


def test_what_is_in_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    make_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "file' cannot be made: File exists; choose another `out`"),
        ("file/below", "below' cannot be made: Not a directory; choose another `out`"),
    ],
)
def test_no_folder_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=words):
        make_folder(tmp_path / name)


def test_a_folder_that_takes_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(UserError, match="cannot be written to: Permission denied; choose"):
        make_folder(tmp_path)


# What a killed process leaves


def begin(folder: Path) -> subprocess.Popen[str]:
    """Start a process that is writing a file and a folder."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    return process


def end(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    process.communicate(timeout=120)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_next_write_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    killed, living = begin(tmp_path), begin(tmp_path)
    try:
        end(killed, signal.SIGKILL)
        assert len(names(tmp_path)) == 4
        assert len([name for name in names(tmp_path) if name.endswith(".png")]) == 2
        atomic_write(tmp_path / "b.png", b"whole")
        *left, last = names(tmp_path)
        assert last == "b.png" and len(left) == 2
        assert all(f"-{living.pid}-" in name for name in left)
    finally:
        end(living, signal.SIGINT)
    # Who is interrupted cleans up after himself.
    assert names(tmp_path) == ["b.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere age alone counts")
def test_a_process_elsewhere_has_a_day(tmp_path: Path) -> None:
    made = temporary_name(tmp_path / "other", ".png").name
    _, place, process, token = made.removesuffix(".png").split("-")
    gone = 2**22 + 1  # above the largest that Linux gives
    stays = [
        f".partial-00000000-{gone}-{token}.png",  # another machine, or before a reboot
        f".partial-{place}-{os.getpid()}-{token}.json",  # this process
        f".partial-{place}-{os.getppid()}-{token}",  # another that lives
        f".partial-{place}-1-{token}.jpg",
        ".partial-notes.png",  # a user's own
        f"partial-{place}-{gone}-{token}.png",
        f".{token}.png",
    ]
    goes = [f".partial-{place}-{gone}-{token}{end}" for end in ("", ".png", ".a\nb", ".keras")]
    old = [f".partial-00000000-{gone}-{token[::-1]}.png", f".partial-{place}-1-{token[::-1]}.png"]
    for name in (*stays, *goes, *old):
        (tmp_path / name).write_bytes(b"")
    now = time.time()
    for name, age in ((old[0], 1.01), (old[1], 1.01), (stays[0], 0.99), (stays[4], 9)):
        os.utime(tmp_path / name, (now - age * ABANDONED,) * 2)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(stays)
    assert process == str(os.getpid())


def test_without_a_way_to_know_age_alone_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_place", lambda: "ffffffff")
    killed = begin(tmp_path)
    end(killed, signal.SIGKILL)
    before = names(tmp_path)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == before and len(before) == 2


def test_a_folder_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Path] = []
    look = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: listed.append(path) or look(path))
    for index in range(5):
        atomic_write(tmp_path / f"{index}.png", b"")
    assert listed == [tmp_path]


def test_what_cannot_be_removed_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [tmp_path / temporary_name(tmp_path / "other").name for _ in range(3)]
    for path in left:
        path.touch()
    monkeypatch.setattr(folders, "_is_dead", lambda *_: True)
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == left[1]:
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    atomic_write(tmp_path / "a.png", b"whole")
    assert names(tmp_path) == sorted([left[1].name, "a.png"])


def test_a_temporary_folder_is_removed_unless_it_was_renamed(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "deep") as folder:
        (folder / "kept").touch()
        folder.rename(tmp_path / "deep" / "named")
    with pytest.raises(RuntimeError), temporary_folder(tmp_path / "deep") as folder:
        (folder / "half").touch()
        raise RuntimeError("midway")
    assert names(tmp_path / "deep") == ["named"]
    assert names(tmp_path / "deep" / "named") == ["kept"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_path(tmp_path / "a.png") as file:
        file.write_bytes(b"half")
        raise error
    with pytest.raises(error), temporary_folder(tmp_path) as folder:
        (folder / "half").touch()
        raise error
    assert names(tmp_path) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    atomic_write(path, b"old")
    with pytest.raises(RuntimeError, match="midway"), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("midway")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]


def test_atomic_write_replaces(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250 + ".bin")  # near the longest name that file systems take
    atomic_write(path, b"old")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
