"""Keras callbacks that count in iterations.

A Keras step may be a round of several iterations. A run that is resumed goes on counting where it
stopped. `every` is in iterations: a callback acts in the first step that reaches or passes a
multiple of it, and is told the iteration after that step.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import atomic_write
from neuralgym_lite.progress import Progress, Track


class IterationCallback(keras.callbacks.Callback):
    """Base of the callbacks here: turns batches of Keras into iterations.

    Args:
        every: act at multiples of this many iterations (1 or more).
        iterations_per_step: iterations in one Keras step.
        initial_iteration: iterations done before this `fit`.
    """

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
        """Start to count at the initial iteration."""
        self.iteration = self.initial_iteration

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Remember where the epoch starts, for Keras counts batches anew."""
        self._epoch_start = self.iteration

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the step, and act if it reached or passed a multiple."""
        before = self.iteration
        self.iteration = self._epoch_start + (batch + 1) * self.iterations_per_step
        if self.iteration // self.every > before // self.every:
            self.act(self.iteration, logs or {})

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Do what the callback is for.

        Args:
            iteration: iterations done so far, those of this step among them.
            logs: what the train step returned.
        """
        raise NotImplementedError


class EveryN(IterationCallback):
    """Calls `function(iteration)` every so many iterations.

    Args:
        every: see `IterationCallback`, as the keywords.
        function: what to call: to draw pictures, validate, save.
    """

    def __init__(self, every: int, function: Callable[[int], object], **counting: int) -> None:
        super().__init__(every, **counting)
        self.function = function

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Call the function."""
        self.function(iteration)


class ScalarLog(IterationCallback):
    """Appends every scalar of the logs to a file of JSON lines.

    A line is `{"iteration": n, "time": seconds of training so far, name: value, ...}`; NaN and
    infinity are written as null. On resume the lines after the initial iteration, which will come
    again, are dropped, and the time goes on from the last line kept.

    Args:
        path: the file; it is made if it is missing.
        every: see `IterationCallback`, as the keywords.
    """

    def __init__(self, path: str | Path, every: int = 1, **counting: int) -> None:
        super().__init__(every, **counting)
        self.path = Path(path)
        self._start = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Drop the lines that will come again."""
        super().on_train_begin(logs)
        kept = keep_until(self.path, self.initial_iteration)
        self._start = time.monotonic() - (kept[-1].get("time", 0.0) if kept else 0.0)

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Append one line."""
        line = {"iteration": iteration, "time": round(time.monotonic() - self._start, 3)}
        finite = {k: v if math.isfinite(v) else None for k, v in _scalars(logs).items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps({**line, **finite})}\n")


class TensorBoardScalars(IterationCallback):
    """Writes every scalar of the logs as a TensorBoard event, at the step of its iteration.

    Args:
        logdir: folder of the events.
        every: see `IterationCallback`, as the keywords.
    """

    def __init__(self, logdir: str | Path, every: int = 1, **counting: int) -> None:
        super().__init__(every, **counting)
        self.logdir = Path(logdir)
        self._writer: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the file of events."""
        super().on_train_begin(logs)
        self._writer = tf.summary.create_file_writer(str(self.logdir))

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Write one event for each scalar."""
        with self._writer.as_default(step=iteration):
            for name, value in _scalars(logs).items():
                tf.summary.scalar(name, value)

    def flush(self) -> None:
        """Bring all events to the disk, so that none before a checkpoint can be lost."""
        if self._writer is not None:
            self._writer.flush()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Flush and close the file of events."""
        self._writer.close()


class ProgressBar(IterationCallback):
    """Shows the iteration, the speed, the time left and some scalars.

    Args:
        total_iterations: where training will end.
        progress: the open `Progress` to show it in; closing that is its owner's business.
        scalars: names in the logs to show.
        counting: see `IterationCallback`.
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


def keep_until(path: Path, iteration: int) -> list[dict[str, Any]]:
    """Drop what a log of JSON lines says of later iterations, which a resumed run says again.

    Args:
        path: the file; it is made if it is missing.
        iteration: the last one to keep.

    Returns:
        The lines that are kept.
    """
    kept = [line for line in _json_lines(path) if line.get("iteration", math.inf) <= iteration]
    atomic_write(path, "".join(f"{json.dumps(line)}\n" for line in kept).encode())
    return kept


def keep_events_until(folder: Path, iteration: int) -> None:
    """Drop the TensorBoard events of later iterations, which a resumed run writes again.

    Args:
        folder: of the event files; it may be missing.
        iteration: the last one to keep.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        kept = [raw for step, raw in _events(path) if step <= iteration]
        temporary = path.with_name(f".{path.name}")
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for raw in kept:
                writer.write(raw)
        temporary.replace(path)


def _events(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the step and the bytes of whole events; a process that was killed may leave half."""
    records = iter(tf.data.TFRecordDataset(str(path)))
    while True:
        try:
            raw = next(records).numpy()
        except (StopIteration, tf.errors.DataLossError):
            return
        yield tf.compat.v1.Event.FromString(raw).step, raw


def _scalars(logs: Mapping[str, Any]) -> dict[str, float]:
    """Every number in the logs, be it a float or an array or tensor of one element."""
    arrays = {name: np.asarray(value) for name, value in logs.items()}
    return {name: float(array.item()) for name, array in arrays.items() if array.size == 1}


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a log; a process that was killed may have left half a line."""
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


class StopOnSignal(keras.callbacks.Callback):
    """Ends `fit` after the current step when SIGINT or SIGTERM comes; a second one is not held.

    Attributes:
        received: whether a signal came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received = False
        self._before: dict[int, Any] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Listen for the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End training if a signal came."""
        if self.received:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Listen no longer."""
        self.restore()

    def _note(self, number: int, frame: object) -> None:
        self.received = True
        self.restore()

    def restore(self) -> None:
        """Give the signals back to whom they belonged; `fit` does not, if it raises."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
