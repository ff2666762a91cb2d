"""Checks of this machine: what it has, and whether it can train and fill."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple

import keras
import numpy as np

from inpaint_tf.data import names, open_photos
from inpaint_tf.data.locations import cache_folder
from inpaint_tf.inference import NetworkInpainter
from inpaint_tf.training.procedures import load_train_config
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.run import make_trainer
from neuralgym_lite.distribution import accelerators, choose_precision
from neuralgym_lite.errors import UserError
from neuralgym_lite.pipeline import index_driven

REQUIRED = ("keras", "numpy", "opencv-python", "pillow", "pydantic", "inpaint-tf")
OPTIONAL = {
    "tensorflow": "exports networks, trains on several GPUs, and streams attention",
    "jax": "trains and fills where TensorFlow sees no GPU",
    "kagglehub": "downloads data set animals",
}
TINY = {
    "data": {"dataset": "samples", "image_size": 32},
    "model": {"width": 4, "critic_width": 4},
    "batch_size": 2,
    "n_critic": 1,
    "iterations": 2,
}


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        state: `"missing"` is what one can do without.
        subject: What was checked.
        text: What was found.
    """

    state: Literal["ok", "missing", "broken"]
    subject: str
    text: str


def examine() -> list[Finding]:
    """Run all checks, in the order to print them in. Nothing is written."""
    return [*_versions(), *_devices(), *_folders(), _training()]


def _versions() -> Iterator[Finding]:
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.platform()}")
    for name in (*REQUIRED, *OPTIONAL):
        try:
            yield Finding("ok", name, version(name))
        except PackageNotFoundError:
            if name in OPTIONAL:
                yield Finding("missing", name, f"not installed; it {OPTIONAL[name]}")
            else:
                yield Finding("broken", name, "not installed: run 'pip install inpaint-tf' again")


def _devices() -> Iterator[Finding]:
    backend = keras.backend.backend()
    yield Finding("ok", "processors", f"{os.cpu_count()} cores")
    yield Finding("ok", "backend", backend)
    if gpus := accelerators():
        yield Finding("ok", "GPUs", ", ".join(gpus))
    else:
        yield Finding("missing", "GPUs", f"{backend} sees none: training is for small pictures")
    yield Finding("ok", "precision", f"auto is {choose_precision('auto')}")


def _folders() -> Iterator[Finding]:
    cache = cache_folder()
    yield Finding("ok", "cache", f"{cache}{'' if cache.is_dir() else ', not made yet'}")
    for name in names():
        if name == "folder":
            continue
        try:
            photos = open_photos(name)
        except UserError:
            yield Finding("missing", name, f"'inpaint-tf data get {name}' gets it or says how to")
        else:
            yield Finding("ok", name, f"{len(photos.train)} train, {len(photos.test)} test")


def _training() -> Finding:
    try:
        return Finding("ok", "training", _train())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        reason = " ".join(str(error).split()) or "no reason given"
        return Finding("broken", "training", f"{type(error).__name__}: {reason[:300]}")


def _train() -> str:
    """Train two rounds, and fill a photograph of an odd size."""
    config = load_train_config(None, TINY)
    trainer = make_trainer(config)
    rounds = RoundDataset(open_photos("samples"), config)
    begun = time.monotonic()
    history = trainer.fit(
        index_driven(rounds.make, 0, 2), steps_per_epoch=2, shuffle=False, verbose=0
    )
    losses = {name: values[-1] for name, values in history.history.items()}
    if not all(np.isfinite(value) for value in losses.values()):
        raise ArithmeticError(f"a loss is not finite: {losses}")
    mode = config.mask.make_mode()
    photo = np.random.default_rng(0).integers(0, 256, (45, 61, 3), "uint8")
    mask = np.zeros((45, 61), "uint8")
    mask[10:30, 20:40] = 1
    filled = NetworkInpainter(trainer.generator, mode, "tiny").fill(photo, mask)
    if not np.array_equal(filled[mask == 0], photo[mask == 0]):
        raise ArithmeticError("known pixels were changed")
    return f"two rounds and a filled photograph in {time.monotonic() - begun:.0f} s"
