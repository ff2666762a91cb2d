"""A queue of fills: one at work, in turn for each client, any of them can be canceled."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Generic, TypeVar

from neuralgym_lite.errors import UserError

T = TypeVar("T")

MOST_WAITING = 64  # jobs of one client


class BusyError(UserError):
    """A client has too many jobs in the queue."""


class Job(Generic[T]):
    """Work that waits, is under way, or has ended. `Worker.submit` makes it.

    Attributes:
        future: its result. It is pending while the job waits.
        share: the finished part of the work, in 0..1.
    """

    def __init__(self, run: Callable[[Job[T]], T], changed: Callable[[], object]) -> None:
        self.future: Future[T] = Future()
        self.share = 0.0
        self._run = run
        self._changed = changed
        self._stopped = threading.Event()

    def advance(self, share: float) -> None:
        """Record the finished part; called by the work itself.

        Raises:
            CancelledError: if the job was canceled, which ends the work.
        """
        if self._stopped.is_set():
            raise CancelledError
        self.share = share
        self._changed()

    def cancel(self) -> None:
        """End the job: at once if it waits, at its next sign of progress if it is under way."""
        self._stopped.set()
        self.future.cancel()

    def work(self) -> None:
        """Do the work, and keep its result or error."""
        if not self.future.set_running_or_notify_cancel():
            return
        self._changed()
        try:
            result = self._run(self)
            self.advance(1)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
        self._changed()


class Worker:
    """A thread that does one job at a time.

    Clients take turns: one that asks for many fills does not keep another waiting for more than the
    fill under way and one fill of each other client.

    Example:
        >>> from inpaint_tf.studio.worker import Worker
        >>> worker = Worker()
        >>> worker.submit("me", lambda job: 6 * 7).future.result()
        42
        >>> worker.close()
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Job]] = {}  # the first client is the next one
        self._change = threading.Condition()
        self._closed = False
        self._current: Job | None = None
        self._thread = threading.Thread(target=self._work, name="studio-worker", daemon=True)
        self._thread.start()

    def submit(
        self,
        client: str,
        run: Callable[[Job[T]], T],
        changed: Callable[[], object] = lambda: None,
    ) -> Job[T]:
        """Put a job into the queue.

        Args:
            client: whose turn it takes.
            run: does the work. It calls `advance` of the job that it is given.
            changed: called by the worker's thread when the job begins, advances and ends.

        Raises:
            BusyError: if too many jobs of the client wait.
        """
        job = Job(run, changed)
        with self._change:
            queue = self._waiting.setdefault(client, deque())
            for canceled in [each for each in queue if each.future.cancelled()]:
                queue.remove(canceled)
            if len(queue) >= MOST_WAITING:
                raise BusyError(f"{len(queue)} fills wait already; try again when some are done")
            queue.append(job)
            self._change.notify()
        return job

    def close(self, patience: float = 5.0) -> None:
        """Cancel all jobs, and wait for the one under way for some seconds."""
        with self._change:
            self._closed = True
            jobs = [job for queue in self._waiting.values() for job in queue]
            self._waiting.clear()
            jobs += [self._current] if self._current else []
            self._change.notify()
        for job in jobs:
            job.cancel()
        self._thread.join(patience)

    def _work(self) -> None:
        while job := self._next():
            job.work()
            self._current = job = None  # or what it holds would stay until the next one

    def _next(self) -> Job | None:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            client, queue = next(iter(self._waiting.items()))
            del self._waiting[client]
            self._current = queue.popleft()
            if queue:
                self._waiting[client] = queue  # behind all others
            return self._current
