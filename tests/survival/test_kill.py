"""A run that is killed at random moments, and within saves, ends with the bits of a whole one."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from neuralgym_lite import state
from neuralgym_lite.checkpoint import latest_checkpoint, verify

ITERATIONS = 60
TRAIN = f"""
    train --dataset samples --model context-encoder --image-size 32 --width 2 --batch-size 2
    --precision float32 --set model.critic_width=2 --set checkpoint_every=6
    --set preview_every=16 --iterations {ITERATIONS}
"""
FEW, ALL = (2, 1), (20, 5)  # kills at any moment, and within a save


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    finish(begin(folder))
    return folder


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def begin(folder, *more):
    arguments = [*TRAIN.split(), "--run-dir", str(folder), *more]
    command = [sys.executable, "-m", "inpaint_tf", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_killed_run_ends_like_a_whole_one(whole, tmp_path, full):
    folder = tmp_path / "killed"
    chance = random.Random(0)
    at_any_moment, in_saves = ALL if full else FEW
    kills = ["any"] * at_any_moment + ["save"] * in_saves
    chance.shuffle(kills)
    killed = 0
    for kind in kills:
        process = begin(folder, *(["--resume"] if (folder / "manifest.json").exists() else []))
        if not wait_for(process, folder, kind, chance):
            break  # it came to its end first
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
        if newest(folder) is not None:
            verify(newest(folder))
    finish(begin(folder, "--resume"))
    assert killed == len(kills), "the run was too short for so many kills"
    assert_same(folder, whole)


def wait_for(process, folder, kind, chance):
    """Wait for the moment of a kill; return False if the run ended before it."""
    log, checkpoints = folder / "scalars.jsonl", folder / "checkpoints"
    lines = count(log) + chance.randint(0, 4)
    patience = time.monotonic() + chance.uniform(0, 12) if kind == "any" else None
    while process.poll() is None:
        if kind == "save" and any(checkpoints.glob(".unfinished-*")):
            return True
        if kind == "any" and (count(log) > lines or time.monotonic() > patience):
            return True
        time.sleep(0.001)
    return False


def count(log):
    return log.read_bytes().count(b"\n") if log.exists() else 0


def assert_same(run, other):
    for name in ("scalars.jsonl", "validation.jsonl"):
        assert lines(run / name) == lines(other / name), name
    ours, theirs = (state.read(newest(each) / "trainer.npz") for each in (run, other))
    assert ours.keys() == theirs.keys()
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert events(run) == events(other)


def newest(run):
    return latest_checkpoint(run / "checkpoints")


def lines(path):
    parsed = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in parsed]


def events(run):
    """List the step and name of every TensorBoard summary, sorted."""
    found = []
    for path in (run / "tensorboard").glob("events.*"):
        for raw in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(raw.numpy())
            found += [(event.step, value.tag) for value in event.summary.value]
    return sorted(found)
