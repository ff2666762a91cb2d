"""Runs commands under JAX, in a process that has no TensorFlow.

Usage: python jax_commands.py FILE. The file holds a JSON list of commands, each an object with
`arguments`, and optionally `signal_at` or `nan_at`: a round in which a signal comes, or that
computes NaN; or `doctor_model`: settings of the network that `doctor` trains. Prints a JSON list
with the exit code or the error of each. Instead of `arguments`
there may be `fit`, a run folder: its settings are trained by `fit` alone, as in a script of
somebody's own, and the losses are printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

sys.modules["tensorflow"] = None

from inpaint_tf.cli.main import cli  # noqa: E402
from neuralgym_lite.errors import UserError  # noqa: E402


@contextlib.contextmanager
def changed(owner, name, change):
    original = getattr(owner, name)
    setattr(owner, name, change(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def with_signal_at(index):
    """Send a signal when a round begins."""
    from neuralgym_lite.callbacks import StopOnSignal

    def send(self, batch, logs=None):
        if batch == index:
            os.kill(os.getpid(), signal.SIGTERM)

    return changed(StopOnSignal, "on_train_batch_begin", lambda original: send)


def with_nan_at(index):
    """Make a round that computes NaN, once."""
    from inpaint_tf.training.rounds import RoundDataset

    left = [index]

    def change(original):
        def make(self, index):
            made = original(self, index)
            if index in left and self.config.max_bad_photos < 1:  # not a round of validation
                left.remove(index)
                made["mask"] = made["mask"] * np.float32("nan")
            return made

        return make

    return changed(RoundDataset, "make", change)


def with_doctor_model(settings):
    """Let `doctor` train a network without critics."""
    from inpaint_tf.training import doctor

    def change(original):
        return {**original, "model": settings, "n_critic": 1}

    return changed(doctor, "TINY", change)


def fit(folder):
    from inpaint_tf.data import open_photos
    from inpaint_tf.training.config import TrainConfig
    from inpaint_tf.training.rounds import RoundDataset
    from inpaint_tf.training.run import make_trainer
    from neuralgym_lite.config import load_config

    config = load_config(TrainConfig, Path(folder, "config.json"))
    trainer = make_trainer(config)
    rounds = RoundDataset(open_photos("samples"), config)
    data = ((rounds.make(index),) for index in range(2))
    history = trainer.fit(data, steps_per_epoch=1, epochs=2, shuffle=False, verbose=0)
    return history.history


def call(command):
    if "fit" in command:
        return fit(command["fit"])
    with contextlib.ExitStack() as stack:
        if "signal_at" in command:
            stack.enter_context(with_signal_at(command["signal_at"]))
        if "nan_at" in command:
            stack.enter_context(with_nan_at(command["nan_at"]))
        if "doctor_model" in command:
            stack.enter_context(with_doctor_model(command["doctor_model"]))
        try:
            cli.main(command["arguments"], standalone_mode=False)
        except UserError as error:
            return str(error)
        except SystemExit as error:
            return error.code
    return 0


if __name__ == "__main__":
    commands = json.loads(Path(sys.argv[1]).read_text())
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        results = [call(command) for command in commands]
    json.dump(results, stdout)
