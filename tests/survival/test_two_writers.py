"""One run is trained by one process; a second is refused, and a killed one is in nobody's way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from inpaint_tf.cli.main import cli
from neuralgym_lite.run_lock import locks_in

TRAIN = """
    train --dataset samples --model autoencoder --image-size 32 --width 2 --batch-size 2
    --precision float32 --set checkpoint_every=5 --set preview_every=1000
"""
RESUME = ("train", "--resume", "--iterations", "100000")


def begin(folder, *command):
    arguments = [sys.executable, "-m", "inpaint_tf", *command, "--run-dir", str(folder)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def iterations(folder):
    lines = (folder / "scalars.jsonl").read_text().splitlines()
    return [json.loads(line)["iteration"] for line in lines]


def wait_until(condition, *processes):
    deadline = time.monotonic() + 600
    while not condition():
        for process in processes:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("eagerly")
def test_of_two_that_resume_one_does(tmp_path):
    folder = tmp_path / "run"
    first = [*TRAIN.split(), "--iterations", "6", "--run-dir", str(folder)]
    cli.main(first, standalone_mode=False)
    two = [begin(folder, *RESUME) for _ in range(2)]
    wait_until(lambda: any(process.poll() is not None for process in two))
    (refused,) = (process for process in two if process.poll() is not None)
    (trains,) = (process for process in two if process is not refused)
    others = [refused, begin(folder, *TRAIN.split(), "--iterations", "6", "--overwrite")]
    for process in others:
        errors = process.communicate(timeout=600)[1]
        assert process.returncode == 2
        (line,) = [line for line in errors.splitlines() if line.startswith("Error: ")]
        assert f"process {trains.pid}, since 20" in line
    wait_until(lambda: len(iterations(folder)) > 15, trains)
    trains.send_signal(signal.SIGKILL)
    trains.communicate()
    assert list(locks_in(folder))
    last = begin(folder, *RESUME)
    at_least = len(iterations(folder)) + 10
    wait_until(lambda: len(iterations(folder)) > at_least, last)
    last.send_signal(signal.SIGINT)
    last.communicate(timeout=300)
    assert last.returncode == 75
    assert not list(locks_in(folder))
    done = iterations(folder)
    assert done == list(range(1, len(done) + 1))
    assert json.loads((folder / "config.json").read_text())["iterations"] == 100000
