"""A run folder has one writer, whatever became of the one before and wherever it was."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from neuralgym_lite import run_lock
from neuralgym_lite.errors import UserError
from neuralgym_lite.run_lock import STALE, RunLock, locks_in

HOLD = """
import pathlib, sys, time
from neuralgym_lite.errors import UserError
from neuralgym_lite.run_lock import RunLock
print("ready", flush=True)
sys.stdin.readline()
with RunLock() as lock:
    try:
        lock.hold(pathlib.Path(sys.argv[1]))
    except UserError as error:
        print(error, flush=True)
    else:
        print("held", flush=True)
        sys.stdin.readline()
"""


def begin(folder):
    """Start a process that holds the folder when it is sent a line, until it is sent another."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def send(process):
    process.stdin.write("\n")
    process.stdin.flush()


def answer(process):
    return process.stdout.readline().strip()


@pytest.fixture
def holder(tmp_path):
    process = begin(tmp_path)
    send(process)
    assert answer(process) == "held"
    yield process
    process.kill()
    process.communicate()


def refusal(folder):
    with RunLock() as lock, pytest.raises(UserError) as caught:
        lock.hold(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def hold(folder):
    """Hold a folder for a moment, which raises a UserError if another process has it."""
    with RunLock() as lock:
        lock.hold(folder)
        assert len(list(locks_in(folder))) == 1
    assert not list(locks_in(folder))


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def leave(folder, age, **changes):
    """Leave the lock of a process that this one cannot look at."""
    with RunLock() as lock:
        lock.hold(folder)
        (own,) = locks_in(folder)
        told = json.loads(own.read_text())
    path = folder / "lock-of-another.json"
    path.write_text(json.dumps({**told, "kernel": "another", **changes}))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


# --- this host


def test_the_second_process_is_told_of_the_first(tmp_path, holder):
    message = refusal(tmp_path)
    assert (
        f"'{tmp_path}' is in use by host '{socket.gethostname()}', process {holder.pid}" in message
    )
    assert "since 20" in message
    assert len(list(locks_in(tmp_path))) == 1
    send(holder)
    assert holder.wait(timeout=300) == 0
    assert not list(tmp_path.iterdir())
    hold(tmp_path)


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    (left,) = locks_in(tmp_path)
    hold(tmp_path)
    assert not left.exists()


def test_a_stopped_process_holds_on(tmp_path, holder):
    holder.send_signal(signal.SIGSTOP)
    (lock,) = locks_in(tmp_path)
    os.utime(lock, (0, 0))
    assert f"process {holder.pid}" in refusal(tmp_path)


def test_of_many_at_the_same_moment_one_holds(tmp_path):
    for _ in range(5):
        processes = [begin(tmp_path) for _ in range(4)]
        for process in processes:
            send(process)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(answer, processes))
        assert answers.count("held") <= 1
        assert answers.count("held") == 1, answers
        for process in processes:
            process.communicate("\n")
        assert not list(tmp_path.iterdir())


@pytest.fixture
def no_flock(monkeypatch):
    """A disk without locks: what another process has is not seen either."""
    monkeypatch.setattr(run_lock, "_flock", lambda *given, **more: None)


def test_a_disk_without_locks(tmp_path, holder, no_flock):
    (lock,) = locks_in(tmp_path)
    rewrite(lock, flocked=False)
    os.utime(lock, (0, 0))
    assert f"process {holder.pid}" in refusal(tmp_path)
    told = lock.read_text()
    holder.kill()
    holder.wait()
    lock.write_text(told)
    hold(tmp_path)


def test_a_process_id_that_another_process_has_now(tmp_path, holder, no_flock):
    (lock,) = locks_in(tmp_path)
    rewrite(lock, flocked=False, started="1")
    hold(tmp_path)


# --- other hosts, and containers whose process ids mean nothing here


@pytest.mark.parametrize(
    "changes", [{}, {"kernel": run_lock._kernel(), "flocked": False, "namespace": "another"}]
)
def test_another_host_lives_while_it_touches_its_lock(tmp_path, changes):
    lock = leave(tmp_path, STALE / 2, host="far", pid=7, since="2020", **changes)
    message = refusal(tmp_path)
    assert "host 'far', process 7, since 2020" in message
    assert re.search(rf"last seen 6\d s ago; after {STALE:.0f} s it counts as dead", message)
    assert lock.exists()
    os.utime(lock, (0, 0))
    hold(tmp_path)
    assert not lock.exists()


def test_a_container_of_the_same_name_on_another_host(tmp_path):
    leave(tmp_path, 0, host=socket.gethostname(), pid=os.getpid())
    assert f"process {os.getpid()}" in refusal(tmp_path)


def test_the_clock_is_that_of_the_disk(tmp_path, monkeypatch):
    leave(tmp_path, STALE / 2, host="far")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert "host 'far'" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "a"}', "\xff"])
def test_a_lock_that_says_nothing(tmp_path, text):
    lock = leave(tmp_path, 0)
    lock.write_text(text, encoding="latin-1")
    assert "in use by a process that has just started" in refusal(tmp_path)
    os.utime(lock, (0, 0))
    hold(tmp_path)


def test_a_holder_touches_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "BEAT", 0.01)
    with RunLock() as lock:
        lock.hold(tmp_path)
        (path,) = locks_in(tmp_path)
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 300
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_where_there_is_no_such_system_call(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "fcntl", None)
    hold(tmp_path)


def test_what_is_not_held_is_released_as_well(tmp_path):
    with RunLock():
        pass
    with RunLock() as lock, pytest.raises(FileNotFoundError):
        lock.hold(tmp_path / "absent")
