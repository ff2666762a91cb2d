"""Progress on stderr: a live bar on a terminal, plain lines at intervals in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from neuralgym_lite.errors import printable

if TYPE_CHECKING:
    from neuralgym_lite._live_bars import LiveBars


class Progress:
    """A context that shows progress bars and log lines.

    Args:
        stream: Where to write. Defaults to None, which is stderr.
        every: Seconds between two plain lines of one track, where `stream` is not a terminal.
        clock: Returns a time in seconds that never decreases.
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
        self._live: LiveBars | None = None
        if self.stream.isatty():
            from neuralgym_lite._live_bars import LiveBars  # rich takes a while to load

            self._live = LiveBars(self.stream)

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        for track in self._tracks:
            track.close()
        if self._live:
            self._live.stop()

    def track(self, total: int, unit: str, start: int = 0) -> Track:
        """Start to count to `total`.

        Args:
            total: Number to reach.
            unit: Name of what is counted, as in "3.2 images/s".
            start: Number that was done before. It does not count in the speed.
        """
        track = Track(self, total, unit, start)
        self._tracks.append(track)
        return track

    def log(self, text: str) -> None:
        """Write one line above the bars. Characters that are not printable are escaped."""
        text = printable(text)
        if self._live:
            self._live.log(text)
        else:
            self.stream.write(f"{text}\n")
            self.stream.flush()


class Track:
    """One count within a `Progress`. `Progress.track` makes it."""

    def __init__(self, progress: Progress, total: int, unit: str, start: int) -> None:
        self.total = total
        self.unit = unit
        self.done = start
        self._progress = progress
        self._bar = progress._live.add(unit, total, start) if progress._live else None
        self._note = ""
        self._lines = 0
        self._written = start
        self._written_at = progress.clock()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Count `count` more as done. `note` replaces the text beside the speed."""
        self.done += count
        self._note = self._note if note is None else printable(note)
        if self._bar:
            self._bar.advance(count, self._note)
        elif self._progress.clock() - self._written_at >= self._progress.every:
            self._write()

    def drop(self) -> None:
        """Stop counting, and remove the bar."""
        if self._bar:
            self._bar.remove()
        self._progress._tracks.remove(self)

    def close(self) -> None:
        """Write a last plain line, unless it was written already."""
        if self._bar is None and self.done != self._written:
            self._write()

    def _write(self) -> None:
        now = self._progress.clock()
        speed = (self.done - self._written) / max(now - self._written_at, 1e-9)
        left = self.total - self.done
        parts = [f"{self.done}/{self.total} {self.unit}", speed_text(speed, self.unit)]
        # The first steps take longer, where a graph is compiled: they foretell nothing.
        foretold = left > 0 and speed > 0 and self._lines > 0
        parts += [f"{clock_text(left / speed)} left" if foretold else "", self._note]
        self._lines += 1
        self._written, self._written_at = self.done, now
        self._progress.log(", ".join(part for part in parts if part))


def speed_text(speed: float, unit: str) -> str:
    """Return `"3.20 unit/s"`, or `"4.1 s each"` for less than one a second."""
    if speed <= 0:
        return ""
    return f"{speed:.2f} {unit}/s" if speed >= 1 else f"{1 / speed:.1f} s each"


def clock_text(seconds: float) -> str:
    """Return `h:mm:ss`."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}"
