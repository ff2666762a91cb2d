"""Work that goes on in a thread while training does, one piece at a time."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

# As `nice` counts it. With it a training lost 0.3 % of its time to saving, and 2.7 % without.
NICENESS = 19


def _give_way() -> None:
    """Let other threads go first: each of a training's operations waits for its slowest thread."""
    if sys.platform == "linux":  # elsewhere a process has one priority
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class Background:
    """Runs one function at a time in a thread of the lowest priority.

    A new one waits for the one before. What a function raises comes up at the next call of
    `submit` or `wait`, so that no failure is lost.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "background", initializer=_give_way)
        self._pending: Future[object] | None = None

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Another error matters more than one of the background, which then is not raised.
        self._executor.shutdown(wait=True)
        if error is None:
            self.wait()

    def submit(self, function: Callable[[], object]) -> None:
        """Start a function when the one before is done.

        Raises:
            Exception: whatever the one before raised.
        """
        self.wait()
        self._pending = self._executor.submit(function)

    def wait(self) -> None:
        """Wait until nothing is running.

        Raises:
            Exception: whatever the last function raised.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
