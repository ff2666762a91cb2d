"""Progress bars on a terminal, drawn by rich, which takes a while to load."""

from __future__ import annotations

from typing import TextIO

import rich.console
import rich.progress
from rich.text import Text

from neuralgym_lite.progress import speed_text


class LiveBars:
    """Bars below the lines of a log.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            _SpeedColumn(),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[note]}", markup=False),
            console=rich.console.Console(file=stream),
        )
        self.start, self.stop = self._bars.start, self._bars.stop

    def add(self, unit: str, total: int, start: int) -> LiveBar:
        """Show one more bar, at `start` of `total`."""
        task = self._bars.add_task(unit, total=total, completed=start, note="")
        return LiveBar(self._bars, task)

    def log(self, text: str) -> None:
        """Write one line above the bars."""
        self._bars.console.print(Text(text), soft_wrap=True)


class LiveBar:
    """One bar. `LiveBars.add` makes it."""

    def __init__(self, bars: rich.progress.Progress, task: rich.progress.TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, count: int, note: str) -> None:
        """Move on by `count`, and show `note` beside the speed."""
        self._bars.update(self._task, advance=count, note=note)

    def remove(self) -> None:
        """Remove the bar."""
        self._bars.remove_task(self._task)


class _SpeedColumn(rich.progress.ProgressColumn):
    def render(self, task: rich.progress.Task) -> Text:
        return Text(speed_text(task.finished_speed or task.speed or 0.0, task.description))
