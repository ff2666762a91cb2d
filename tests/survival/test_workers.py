"""Two processes train as one; when one is lost the other says so, and the run goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from inpaint_tf.cli.main import cli
from neuralgym_lite.errors import UserError

TRAIN = """
    train --dataset samples --model stable-glcic --image-size 32 --width 2 --batch-size 4
    --precision float32 --set model.critic_width=2 --set n_critic=1 --set checkpoint_every=10
    --set preview_every=1000 --set optimizer.averaging=0.9 --set optimizer.epsilon=1e-4
"""
# Much below that epsilon Adam makes whole steps of gradients that are nothing but rounding errors.
# Means over replicas of what is no mean over photographs.
OF_A_REPLICA = {"g_norm", "d_norm", "output_std", "time"}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def begin(folder, *more):
    """Start two workers of one run."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    command = [sys.executable, "-m", "inpaint_tf", *TRAIN.split(), "--run-dir", str(folder), *more]
    started = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        env = {**os.environ, "TF_CONFIG": json.dumps(task)}
        log = folder.with_name(f"{folder.name}-{index}-{len(list(folder.parent.iterdir()))}.log")
        with log.open("w") as file:
            process = subprocess.Popen(
                [*command, "--strategy", "multiworker"], env=env, stdout=file, stderr=file
            )
        started.append((process, log))
    return started


def scalars(folder):
    return [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def test_two_workers_equal_one_process(folder):
    started = begin(folder / "two", "--iterations", "20")
    alone = [*TRAIN.split(), "--iterations", "20", "--run-dir", str(folder / "one")]
    cli.main(alone, standalone_mode=False)
    for process, log in started:
        assert process.wait(timeout=300) == 0, log.read_text()
    ours, theirs = scalars(folder / "two"), scalars(folder / "one")
    assert [line["iteration"] for line in ours] == list(range(1, 21))
    for one, other in zip(ours, theirs, strict=True):
        for name in other.keys() - OF_A_REPLICA:
            assert one[name] == pytest.approx(other[name], rel=1e-5, abs=1e-6), name


@pytest.mark.full
@pytest.mark.parametrize("lost", [1, 0], ids=["worker", "chief"])
def test_the_others_end_and_the_run_goes_on(folder, lost):
    run = folder / f"lost-{lost}"
    started = begin(run, "--iterations", "100000")
    wait_until(lambda: len(scalars(run)) > 15, started, run)
    started[lost][0].kill()
    process, log = started[1 - lost]
    assert process.wait(timeout=300) != 0
    started[lost][0].wait()
    errors = [line for line in log.read_text().splitlines() if line.startswith("Error: ")]
    if lost == 1:  # TensorFlow ends a worker whose chief is gone by itself
        assert len(errors) == 1
        assert "Another machine was lost" in errors[0]
        assert "--resume" in errors[0]
    done = len(scalars(run))
    started = begin(run, "--resume", "--iterations", str(done + 20))
    for process, log in started:
        assert process.wait(timeout=300) == 0, log.read_text()
    assert [line["iteration"] for line in scalars(run)] == list(range(1, done + 21))


def wait_until(condition, started, run):
    deadline = time.monotonic() + 600
    while not (run / "scalars.jsonl").exists() or not condition():
        for process, log in started:
            assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_machines_must_be_named(folder, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    command = [*TRAIN.split(), "--strategy", "multiworker", "--run-dir", str(folder / "none")]
    with pytest.raises(UserError, match="Strategy 'multiworker' needs TF_CONFIG"):
        cli.main(command, standalone_mode=False)
    assert not (folder / "none").exists()
