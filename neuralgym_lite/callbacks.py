"""Keras callbacks that count in iterations.

A Keras step may be a round of several iterations, and a resumed run continues the count of the run
before it. `every` is in iterations: a callback acts in the first step that reaches or passes a
multiple of it.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from neuralgym_lite import strict_json
from neuralgym_lite.backend import is_jax, to_host
from neuralgym_lite.errors import UserError
from neuralgym_lite.events import EventFile, drop_events_after
from neuralgym_lite.folders import atomic_write
from neuralgym_lite.progress import Progress, Track

# Under JAX a step returns before it is computed. Reading its logs waits for the device, so that
# the logs of many steps are read at once, and some steps later, so that the device has work.
_STEPS_READ_AT_ONCE = 50
_STEPS_LATER = 10


class IterationCallback(keras.callbacks.Callback):
    """Base class that converts Keras steps to iterations.

    Args:
        every: Act at multiples of this many iterations (1 or more). Defaults to 1.
        iterations_per_step: Iterations in one Keras step.
        initial_iteration: Iterations done before this `fit`.

    Attributes:
        needs_weights: Whether `act` uses the weights, so that it cannot be called some steps late.
    """

    needs_weights = False

    def __init__(
        self, every: int = 1, *, iterations_per_step: int = 1, initial_iteration: int = 0
    ) -> None:
        super().__init__()
        if every < 1:
            raise UserError(f"`every` must be 1 or more iterations. Received: {every}.")
        self.every = every
        self.iterations_per_step = iterations_per_step
        self.initial_iteration = initial_iteration
        self.iteration = initial_iteration
        self._epoch_start = initial_iteration

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Start the count at the initial iteration."""
        self.iteration = self.initial_iteration

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note where the epoch starts: Keras counts the steps of each epoch from 0."""
        self._epoch_start = self.iteration

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the step, and act if it is due."""
        before, self.iteration = self.iteration, self._reached(batch)
        if self.is_due(before, self.iteration):
            if self.needs_weights and is_jax():
                self.model.jax_state_sync()  # During `fit` the weights are not in the model.
            self.act(self.iteration, logs or {})

    def is_due(self, before: int, iteration: int) -> bool:
        """Return whether to act after a step from one iteration to another."""
        return iteration // self.every > before // self.every

    def is_due_now(self, batch: int) -> bool:
        """Return whether this step must be passed on without delay."""
        iteration = self._reached(batch)
        return self.needs_weights and self.is_due(iteration - self.iterations_per_step, iteration)

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Do the work of the callback, `iteration` iterations after the start of the run."""
        raise NotImplementedError

    def _reached(self, batch: int) -> int:
        return self._epoch_start + (batch + 1) * self.iterations_per_step


class CallbackList(keras.callbacks.CallbackList):
    """Passes steps on to callbacks: under TensorFlow each at once, under JAX many together.

    Logs are passed on in order, and none is lost. They come without delay when a callback needs the
    weights of this very step, or a signal has come.
    """

    def __init__(
        self, callbacks: Sequence[IterationCallback | StopOnSignal], model: keras.Model
    ) -> None:
        super().__init__(list(callbacks), add_history=True, model=model)
        self._urgent = callbacks
        self._waiting: list[tuple[int, Any]] = []
        self._steps, self._later = (_STEPS_READ_AT_ONCE, _STEPS_LATER) if is_jax() else (1, 0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keep the logs of a step, and pass on what waits if it is time."""
        self._waiting.append((batch, logs))
        if any(callback.is_due_now(batch) for callback in self._urgent):
            self._pass_on(len(self._waiting))
        elif len(self._waiting) >= self._steps + self._later:
            self._pass_on(self._steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Pass on the steps that wait, then the end of the epoch."""
        self._pass_on(len(self._waiting))
        super().on_epoch_end(epoch, logs)

    def _pass_on(self, steps: int) -> None:
        waiting, self._waiting = self._waiting[:steps], self._waiting[steps:]
        for batch, logs in to_host(waiting):
            super().on_train_batch_end(int(batch), logs)


class ScalarLog(IterationCallback):
    """Appends every scalar of the logs to a file of JSON lines.

    A line is `{"iteration": n, "time": seconds of training so far, name: value, ...}`. NaN and
    infinity are written as null. On resume the lines after the initial iteration are dropped,
    because they are written again, and the time continues from the last line kept.

    Args:
        path: The file. It is made if it is missing.
        every: As for `IterationCallback`, like the keywords.
    """

    def __init__(self, path: str | Path, every: int = 1, **counting: int) -> None:
        super().__init__(every, **counting)
        self.path = Path(path)
        self._start = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Drop the lines that will be written again."""
        super().on_train_begin(logs)
        kept = drop_lines_after(self.path, self.initial_iteration)
        self._start = time.monotonic() - (kept[-1].get("time", 0.0) if kept else 0.0)

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Append one line."""
        line = {"iteration": iteration, "time": round(time.monotonic() - self._start, 3)}
        finite = {k: v if math.isfinite(v) else None for k, v in _scalars(logs).items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps({**line, **finite})}\n")


class TensorBoardScalars(IterationCallback):
    """Writes every scalar of the logs as a TensorBoard event, at the step of its iteration.

    On resume the events after the initial iteration are dropped, because they are written again.

    Args:
        folder: Folder of the event files.
        every: As for `IterationCallback`, like the keywords.
    """

    def __init__(self, folder: str | Path, every: int = 1, **counting: int) -> None:
        super().__init__(every, **counting)
        self.folder = Path(folder)
        self._events: EventFile | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open a new file of events."""
        super().on_train_begin(logs)
        drop_events_after(self.folder, self.initial_iteration)
        self._events = EventFile(self.folder)

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Write one event for each scalar."""
        if self._events is not None:
            self._events.scalars(iteration, _scalars(logs))


class ProgressBar(IterationCallback):
    """Shows the iteration, the speed, the time left and some scalars.

    Args:
        total_iterations: Iteration at which training ends.
        progress: The open `Progress` to show the bar in. Its owner closes it.
        scalars: Names of logs to show.
        counting: Keywords of `IterationCallback`.
    """

    def __init__(
        self,
        total_iterations: int,
        progress: Progress,
        scalars: Sequence[str] = (),
        **counting: int,
    ) -> None:
        super().__init__(**counting)
        self.total_iterations = total_iterations
        self.progress = progress
        self.scalars = tuple(scalars)
        self._track: Track | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Show a new bar."""
        super().on_train_begin(logs)
        self._track = self.progress.track(self.total_iterations, "it", self.initial_iteration)

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Move the bar."""
        shown = _scalars({name: logs[name] for name in self.scalars if name in logs})
        note = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        if self._track is not None:
            self._track.advance(iteration - self._track.done, note)


class StopOnSignal(keras.callbacks.Callback):
    """Ends `fit` after the current step when SIGINT or SIGTERM comes.

    A second signal has the effect that it had before `fit`.

    Args:
        log: Called with a line when a signal comes. Defaults to one that does nothing.

    Attributes:
        received: Whether a signal came.
    """

    def __init__(self, log: Callable[[str], object] = lambda text: None) -> None:
        super().__init__()
        self.log = log
        self.received = False
        self._before: dict[int, Any] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Install the handlers."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End training if a signal came."""
        if self.received:
            self.model.stop_training = True

    def is_due_now(self, batch: int) -> bool:
        """Return whether this step must be passed on without delay."""
        return self.received

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Restore the handlers."""
        self.restore()

    def _receive(self, number: int, frame: object) -> None:
        self.received = True
        self.restore()
        # The signal may come while a line is being written, which must not be interrupted by one.
        with contextlib.suppress(RuntimeError):
            self.log("Stopping after this step, then saving. A second signal stops at once.")

    def restore(self) -> None:
        """Restore the handlers. Call it after `fit` too, which does not if it raises an error."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()


def drop_lines_after(path: Path, iteration: int) -> list[dict[str, Any]]:
    """Drop the lines of later iterations from a log, which a resumed run writes again.

    The file is made if it is missing. Returns the lines that are kept.
    """
    kept = [line for line in _json_lines(path) if line.get("iteration", math.inf) <= iteration]
    atomic_write(path, "".join(f"{json.dumps(line)}\n" for line in kept).encode())
    return kept


def _scalars(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return the logs that are one number, be it a float or an array or tensor of one element."""
    arrays = {name: np.asarray(value) for name, value in logs.items()}
    return {name: float(array.item()) for name, array in arrays.items() if array.size == 1}


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a log: a killed process may leave half a line."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for raw in file:
            try:
                line = strict_json.parse(raw)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line
