"""What the routes of a studio share: its engine, queue, documents and folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError
from typing import TypeVar

import cv2
from starlette.requests import Request

from inpaint_tf.inference import Inpainter
from inpaint_tf.studio.document import GoneError
from inpaint_tf.studio.documents import Documents
from inpaint_tf.studio.engine import Engine
from inpaint_tf.studio.folder import Folder
from inpaint_tf.studio.worker import BusyError, Job, Worker
from neuralgym_lite.errors import UserError, printable, reason_of

T = TypeVar("T")

_POLL = 0.5  # seconds from one look at whether a client is still there to the next


class Studio:
    """The parts of a studio.

    Attributes:
        boot: differs from one process to the next.

    Args:
        engine: what fills.
        folder: what is served; None if no folder was given.
    """

    def __init__(self, engine: Engine, folder: Folder | None = None) -> None:
        self.boot = secrets.token_hex(8)
        self.engine = engine
        self.folder = folder
        self.worker = Worker()
        self.documents = Documents()
        self._loading: Job[Inpainter] | None = None

    def load(self) -> None:
        """Put a job into the queue that loads the default model, unless it was there before."""
        if self._loading is None:
            self._loading = self.worker.submit("studio", lambda job: self.engine.inpainter())

    @property
    def load_error(self) -> BaseException | None:
        """Why the default model could not be loaded; None if it could, or is not loaded yet."""
        if self._loading is None or not self._loading.future.done():
            return None
        return None if self._loading.future.cancelled() else self._loading.future.exception()

    def close(self) -> None:
        """End all jobs and remove temporary files."""
        self.worker.close()
        self.documents.close()

    async def follow(
        self, request: Request, client: str, run: Callable[[Job[T]], T]
    ) -> AsyncIterator[Job[T]]:
        """Put a job into the queue, and yield it whenever it has changed, at last when it is done.

        A job whose client goes away is canceled, and not yielded any more.
        """
        loop, change = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(change.set)

        job = self.worker.submit(client, run, tell)
        try:
            while not job.future.done():
                yield job
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(change.wait(), _POLL)
                change.clear()
                if await request.is_disconnected():
                    return
            yield job
        finally:
            job.cancel()


def failure_of(error: BaseException) -> tuple[int, str]:
    """Return the HTTP status and the line of text for an error; one that is a bug is logged."""
    known = (
        (GoneError, 404),
        (BusyError, 429),
        (UserError, 400),
        (CancelledError, 409),
        (FileExistsError, 409),
        (OSError, 507),
        (MemoryError, 507),
        (cv2.error, 500),
    )
    for kind, status in known:
        if isinstance(error, kind):
            return status, "canceled" if kind is CancelledError else printable(_line(error))
    logging.getLogger(__name__).error("A request has failed", exc_info=error)
    return 500, printable(f"The server has failed: {type(error).__name__}: {_line(error)}")


def _line(error: BaseException) -> str:
    return reason_of(error) if isinstance(error, Exception) else str(error)
