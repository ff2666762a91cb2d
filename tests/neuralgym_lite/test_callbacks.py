"""Callbacks: they count in iterations and go on where a run stopped."""

from __future__ import annotations

import io
import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from neuralgym_lite import callbacks
from neuralgym_lite.callbacks import (
    CallbackList,
    IterationCallback,
    ProgressBar,
    ScalarLog,
    StopOnSignal,
    TensorBoardScalars,
)
from neuralgym_lite.errors import UserError
from neuralgym_lite.progress import Progress


def run(callback, steps: int, logs=None, epochs: int = 1) -> None:
    """What `fit` calls, in its order."""
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        for batch in range(steps):
            callback.on_train_batch_end(batch, {"loss": float(batch)} if logs is None else logs)
    callback.on_train_end()


class Calls(IterationCallback):
    """Calls a function with the iteration."""

    def __init__(self, every, function, **counting):
        super().__init__(every, **counting)
        self.function = function

    def act(self, iteration, logs):
        self.function(iteration)


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def iterations(path) -> list[int]:
    return [line["iteration"] for line in lines(path)]


# --- counting


@pytest.mark.parametrize(
    ("every", "per_step", "initial", "steps", "expected"),
    [
        (1, 1, 0, 3, [1, 2, 3]),
        (2, 1, 0, 5, [2, 4]),
        (10, 5, 0, 5, [10, 20]),
        (12, 5, 0, 5, [15, 25]),
        (3, 5, 0, 3, [5, 10, 15]),
        (10, 5, 15, 3, [20, 30]),
        (10, 5, 20, 2, [30]),
    ],
)
def test_every_acts_when_a_multiple_is_reached_or_passed(every, per_step, initial, steps, expected):
    called: list[int] = []
    counting = {"iterations_per_step": per_step, "initial_iteration": initial}
    run(Calls(every, called.append, **counting), steps)
    assert called == expected


def test_several_epochs_and_several_fits():
    called: list[int] = []
    callback = Calls(2, called.append, iterations_per_step=1)
    run(callback, 3, epochs=2)
    run(callback, 2)
    assert called == [2, 4, 6, 2]


def test_several_steps_in_one_execution():
    called: list[int] = []
    callback = Calls(4, called.append)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    for batch in (2, 5, 8):
        callback.on_train_batch_end(batch)
    assert called == [6, 9]


def test_every_must_be_positive():
    with pytest.raises(UserError, match="Received: 0"):
        Calls(0, print)


def test_the_base_does_nothing_by_itself():
    with pytest.raises(NotImplementedError):
        run(IterationCallback(), 1)


# --- the scalar log


def test_every_scalar_is_logged(tmp_path):
    path = tmp_path / "scalars.jsonl"
    logs = {
        "float": 0.5,
        "array": np.array([2.0], np.float32),
        "zero_d": np.float64(3),
        "tensor": tf.constant(4.0),
        "picture": np.zeros((2, 2)),
        "nan": float("nan"),
        "infinite": np.array([np.inf]),
    }
    run(ScalarLog(path, iterations_per_step=5), 1, logs)
    (line,) = lines(path)
    assert line.pop("time") >= 0
    assert line == {
        "iteration": 5,
        "float": 0.5,
        "array": 2.0,
        "zero_d": 3.0,
        "tensor": 4.0,
        "nan": None,
        "infinite": None,
    }


def test_resume_drops_what_comes_again_and_the_half_line(tmp_path):
    path = tmp_path / "scalars.jsonl"
    run(ScalarLog(path, 5, iterations_per_step=5), 6)
    before = path.read_bytes()
    with path.open("a") as file:
        file.write('{"iteration": 35, "ti')
    run(ScalarLog(path, 5, iterations_per_step=5, initial_iteration=20), 3)
    assert iterations(path) == [5, 10, 15, 20, 25, 30, 35]
    assert path.read_bytes().splitlines()[:4] == before.splitlines()[:4]
    times = [line["time"] for line in lines(path)]
    assert times == sorted(times)


def test_time_goes_on_from_the_last_line_kept(tmp_path):
    path = tmp_path / "scalars.jsonl"
    path.write_text('{"iteration": 4, "time": 1000.0}\n{"iteration": 8, "time": 2000.0}\n')
    run(ScalarLog(path, initial_iteration=4), 1)
    assert iterations(path) == [4, 5]
    assert 1000 <= lines(path)[1]["time"] < 1100


def test_a_new_run_starts_an_empty_log(tmp_path):
    path = tmp_path / "scalars.jsonl"
    run(ScalarLog(path), 2)
    run(ScalarLog(path), 1)
    assert iterations(path) == [1]


# --- TensorBoard


def test_tensorboard_gets_the_scalars_at_their_iterations(tmp_path):
    logs = {"loss": np.array([0.25], np.float32), "critic/loss": 2.0}
    run(TensorBoardScalars(tmp_path, 10, iterations_per_step=5), 4, logs)
    (events,) = tmp_path.iterdir()
    found = {
        (event.step, value.tag): float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert found == {
        (10, "loss"): 0.25,
        (10, "critic/loss"): 2.0,
        (20, "loss"): 0.25,
        (20, "critic/loss"): 2.0,
    }


# --- the progress bar


def test_the_bar_shows_iteration_and_chosen_scalars():
    stream = io.StringIO()
    with Progress(stream, every=3600) as progress:
        bar = ProgressBar(50, progress, ["loss", "absent"], iterations_per_step=5)
        run(bar, 4, {"loss": np.array([0.123456]), "other": 1.0})
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("20/50 it, ")
    assert line.endswith(" it/s, loss 0.1235")


# --- many steps at once, as under JAX


def test_no_step_is_lost_and_none_is_late_for_the_weights(monkeypatch):
    monkeypatch.setattr(callbacks, "is_jax", lambda: True)
    monkeypatch.setattr(callbacks, "_STEPS_READ_AT_ONCE", 3)
    monkeypatch.setattr(callbacks, "_STEPS_LATER", 2)
    order: list[tuple[str, int, int]] = []
    reached = 0
    log = Calls(1, lambda iteration: order.append(("log", iteration, reached)))
    save = Calls(7, lambda iteration: order.append(("save", iteration, reached)))
    save.needs_weights = True
    model = keras.Sequential()
    model.jax_state_sync = lambda: order.append(("sync", save.iteration, reached))
    stop = StopOnSignal()
    passing = CallbackList([log, save, stop], model)
    passing.on_train_begin()
    passing.on_epoch_begin(0)
    for batch in range(13):
        reached = batch + 1
        stop.received = reached == 9
        passing.on_train_batch_end(batch, {"loss": float(batch)})
    passing.on_epoch_end(0)
    passing.on_train_end()
    logged = [(iteration, when) for name, iteration, when in order if name == "log"]
    assert [iteration for iteration, _ in logged] == list(range(1, 14))
    assert [when for _, when in logged] == [5] * 3 + [7] * 4 + [9] * 2 + [13] * 4
    assert [each for each in order if each[0] != "log"] == [("sync", 7, 7), ("save", 7, 7)]
    assert model.stop_training


# --- all of them in Keras' own loop


def fit(parts, steps: int) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensors((tf.ones((4, 2)), tf.ones((4, 1)))).repeat()
    model.fit(data, epochs=1, steps_per_epoch=steps, callbacks=parts, verbose=0, shuffle=False)


def test_in_fit(tmp_path):
    called: list[int] = []
    stream = io.StringIO()
    counting = {"iterations_per_step": 5, "initial_iteration": 10}
    with Progress(stream) as progress:
        parts = [
            ScalarLog(tmp_path / "scalars.jsonl", 5, **counting),
            TensorBoardScalars(tmp_path / "tensorboard", 5, **counting),
            ProgressBar(25, progress, ["loss"], **counting),
            Calls(10, called.append, **counting),
        ]
        fit(parts, 3)
    assert iterations(tmp_path / "scalars.jsonl") == [15, 20, 25]
    assert all(np.isfinite(line["loss"]) for line in lines(tmp_path / "scalars.jsonl"))
    assert called == [20]
    assert stream.getvalue().startswith("25/25 it, ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_fit_after_the_step(tmp_path, number):
    before = signal.getsignal(number)
    told: list[str] = []
    stop = StopOnSignal(told.append)
    log = ScalarLog(tmp_path / "scalars.jsonl")
    fit([Calls(2, lambda _: os.kill(os.getpid(), number)), log, stop], 5)
    assert stop.received
    assert told == ["Stopping after this step, then saving. A second signal stops at once."]
    assert iterations(log.path) == [1, 2]
    assert signal.getsignal(number) is before


@pytest.fixture
def interruptible():
    """Let interrupts come through; a shell that starts pytest in the background has none do so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_second_interrupt_is_not_held():
    def interrupt_twice(_: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit([Calls(1, interrupt_twice), StopOnSignal()], 2)
