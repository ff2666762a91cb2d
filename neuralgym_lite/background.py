"""Work that a thread does while training continues."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

# As `nice` counts it. With it, saving cost 0.3 % of the training time, and 2.7 % without.
NICENESS = 19


def _lower_priority() -> None:
    """Let other threads go first: each operation of a training waits for its slowest thread."""
    if sys.platform == "linux":  # Elsewhere a process has one priority.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class Background:
    """Runs one function at a time in a thread of the lowest priority.

    A new function waits for the one before it. The next call of `submit` or `wait` raises what a
    function raised, so that no failure is lost.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "background", initializer=_lower_priority)
        self._pending: Future[object] | None = None

    def __enter__(self) -> Background:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # An error of the block matters more than one of the background, which is then dropped.
        self._executor.shutdown(wait=True)
        if error is None:
            self.wait()

    def submit(self, function: Callable[[], object]) -> None:
        """Start a function when the one before it is done.

        Raises:
            Exception: Whatever the function before it raised.
        """
        self.wait()
        self._pending = self._executor.submit(function)

    def wait(self) -> None:
        """Wait until nothing is running.

        Raises:
            Exception: Whatever the last function raised.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
