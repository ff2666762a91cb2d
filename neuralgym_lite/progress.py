"""Progress on stderr: a live bar on a terminal, a plain line now and then in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

import rich.console
import rich.progress
from rich.text import Text

from neuralgym_lite.errors import printable


class Progress:
    """A context in which work is counted and talked about.

    Args:
        stream: where to write; stderr unless told.
        every: seconds between two plain lines of one track where `stream` is no terminal.
        clock: seconds, ever rising.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        every: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.every = every
        self.clock = clock
        self._tracks: list[Track] = []
        self._live: rich.progress.Progress | None = None
        if self.stream.isatty():
            self._live = rich.progress.Progress(
                rich.progress.TextColumn("{task.description}", markup=False),
                rich.progress.BarColumn(),
                rich.progress.MofNCompleteColumn(),
                _SpeedColumn(),
                rich.progress.TimeRemainingColumn(),
                rich.progress.TextColumn("{task.fields[note]}", markup=False),
                console=rich.console.Console(file=self.stream),
            )

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for track in self._tracks:
            track.close()
        if self._live:
            self._live.stop()

    def track(self, total: int, unit: str, start: int = 0) -> Track:
        """Begin to count `total` things, `start` of which are done.

        Args:
            total: how many there are in all.
            unit: what they are called, as in "3.2 images/s".
            start: how many were done before; they do not count in the speed.
        """
        task = None
        if self._live:
            task = self._live.add_task(unit, total=total, completed=start, note="")
        track = Track(self, total, unit, start, self._live, task)
        self._tracks.append(track)
        return track

    def forget(self, track: Track) -> None:
        """Leave out a track that was dropped."""
        self._tracks.remove(track)

    def log(self, text: str) -> None:
        """Write one line of talk, above the bars; what is not printable in it is escaped."""
        text = printable(text)
        if self._live:
            self._live.console.print(Text(text), soft_wrap=True)
        else:
            self.stream.write(f"{text}\n")
            self.stream.flush()


class Track:
    """One count within a `Progress`; made by `Progress.track`."""

    def __init__(
        self,
        progress: Progress,
        total: int,
        unit: str,
        start: int,
        live: rich.progress.Progress | None,
        task: rich.progress.TaskID | None,
    ) -> None:
        self.total = total
        self.unit = unit
        self.done = start
        self._progress = progress
        self._live = live
        self._task = task
        self._note = ""
        self._said = start
        self._said_at = progress.clock()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Count `count` more as done; `note` replaces what is shown beside the speed."""
        self.done += count
        self._note = self._note if note is None else printable(note)
        if self._live and self._task is not None:
            self._live.update(self._task, advance=count, note=self._note)
        elif self._progress.clock() - self._said_at >= self._progress.every:
            self._say()

    def drop(self) -> None:
        """Count no further, and take the bar away."""
        if self._live and self._task is not None:
            self._live.remove_task(self._task)
        self._progress.forget(self)

    def close(self) -> None:
        """Say where the count stands, if that was not said yet."""
        if self._live is None and self.done != self._said:
            self._say()

    def _say(self) -> None:
        now = self._progress.clock()
        speed = (self.done - self._said) / max(now - self._said_at, 1e-9)
        left = self.total - self.done
        parts = [f"{self.done}/{self.total} {self.unit}", speed_text(speed, self.unit)]
        parts += [f"{clock_text(left / speed)} left" if left > 0 and speed > 0 else "", self._note]
        self._said, self._said_at = self.done, now
        self._progress.log(", ".join(part for part in parts if part))


class _SpeedColumn(rich.progress.ProgressColumn):
    def render(self, task: rich.progress.Task) -> Text:
        return Text(speed_text(task.finished_speed or task.speed or 0.0, task.description))


def speed_text(speed: float, unit: str) -> str:
    """Return `"3.20 unit/s"`, or `"4.1 s/unit"` where it is slower than one a second."""
    if speed <= 0:
        return ""
    return f"{speed:.2f} {unit}/s" if speed >= 1 else f"{1 / speed:.1f} s/{unit}"


def clock_text(seconds: float) -> str:
    """Return `h:mm:ss`."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}"
