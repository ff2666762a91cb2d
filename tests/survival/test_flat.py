"""A long run stays as it is: no graph is traced again, and memory does not grow."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from inpaint_tf.training import session
from inpaint_tf.training.preview import Preview
from inpaint_tf.training.procedures import load_train_config
from inpaint_tf.training.run import start
from inpaint_tf.training.trainer import Trainer
from inpaint_tf.training.validation import Validation
from neuralgym_lite.background import Background
from neuralgym_lite.callbacks import ScalarLog
from neuralgym_lite.progress import Progress

FEW, ALL = 200, 2000
WARM = 100  # rounds, in which what is needed is allocated
LEAKING = 100
PICTURE = 32 * 32 * 3 * 4  # bytes of one float picture
SMALL = {
    "data": {"dataset": "samples", "image_size": 32},
    "model": {"width": 2, "critic_width": 2},
    "batch_size": 2,
    "n_critic": 1,
    "precision": "float32",
    "preview_every": 50,
    "checkpoint_every": 50,
}


def resident():
    """Return the bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


class _MallInfo(ctypes.Structure):
    """What `mallinfo2` of glibc returns."""

    _fields_ = (("values", ctypes.c_size_t * 10),)


def held():
    """Return the bytes that `malloc` gave out: resident memory hides what fits into its gaps."""
    function = ctypes.CDLL(None).mallinfo2
    function.restype = _MallInfo
    _, _, _, _, mapped, _, _, used, _, _ = function().values
    return used + mapped


def go(folder, **changes):
    run, config = start(load_train_config(None, {**SMALL, **changes}), folder)
    with Progress() as progress:
        assert session.train(run, config, progress)
    return run


@pytest.fixture
def traces(monkeypatch):
    """Count how often the train step is traced: only then does Python run it."""
    counted = []
    step = Trainer.train_step

    def train_step(self, data):
        counted.append((self.trains_generator, self.trains_critics))
        return step(self, data)

    monkeypatch.setattr(Trainer, "train_step", train_step)
    return counted


@pytest.fixture
def made(monkeypatch):
    """Keep the preview and the validation of a run, which have graphs of their own."""
    kept = {}
    for cls in (Preview, Validation):

        def init(self, *arguments, cls=cls, original=cls.__init__, **options):
            original(self, *arguments, **options)
            kept[cls] = self

        monkeypatch.setattr(cls, "__init__", init)
    return kept


@pytest.fixture
def photographs(tmp_path):
    """So few that all are kept in memory before the measurement begins."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3))):
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{index}.png")
    return folder


def test_one_trace_a_function(tmp_path, traces, made):
    phases = {"phases": {"completion": 6, "discriminator": 6}, "model.name": "context-encoder"}
    go(tmp_path / "run", iterations=20, **phases, preview_every=4)
    assert traces == [(True, False), (False, True), (True, True)]
    assert made[Preview]._fill.experimental_get_tracing_count() == 1
    assert made[Validation]._loss.experimental_get_tracing_count() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux and glibc for their memory")
def test_memory(tmp_path, monkeypatch, traces, photographs, full):
    """Fit lines through what is held and resident, and see that a leak would show."""
    stop = WARM + (ALL if full else FEW)
    samples, leaked = [], []
    act = ScalarLog.act

    def sample(self, iteration, logs):
        act(self, iteration, logs)
        if iteration >= stop:
            leaked.append(tf.zeros((32, 32, 3)))
        if iteration >= WARM and iteration % 10 == 0:
            gc.collect()
            samples.append((iteration, held(), resident()))

    monkeypatch.setattr(ScalarLog, "act", sample)
    # On a busy machine a checkpoint may be in memory for longer than the leak is looked at.
    monkeypatch.setattr(Background, "submit", lambda self, function: function())
    data = {**SMALL["data"], "dataset": "folder", "dir": str(photographs)}
    # What the tests before this one left is not looked through at each collection: it took minutes.
    gc.collect()
    gc.freeze()
    try:
        run = go(tmp_path / "run", iterations=stop + LEAKING, data=data)
    finally:
        gc.unfreeze()
    assert len(traces) == 1
    assert len(run.scalars.read_text().splitlines()) == stop + LEAKING
    iterations, *columns = np.transpose(samples)
    flat = iterations <= stop
    of_held, of_resident = (np.polyfit(iterations[flat], each[flat], 1)[0] for each in columns)
    of_leak = np.polyfit(iterations[~flat], columns[0][~flat], 1)[0]
    told = f"{of_held / 1000:.2f} MB held, {of_resident / 1000:.2f} MB resident in 1,000 rounds"
    print(f"{told}; a leak is {of_leak / 1000:.2f} MB")  # noqa: T201
    assert of_leak > 0.75 * PICTURE
    assert of_held < PICTURE / 4
    if full:
        assert of_resident < PICTURE / 4
