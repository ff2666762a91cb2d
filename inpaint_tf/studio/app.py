"""The web application of a studio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from inpaint_tf.studio import api, pages
from inpaint_tf.studio.security import Guard, TooLargeError
from inpaint_tf.studio.studio import Studio, failure_of

_PATIENCE = 3.0  # seconds for a browser to ask for the page, before the model is loaded


def create_app(studio: Studio, host: str = "127.0.0.1", token: str | None = None) -> Starlette:
    """Return the web application, which closes the studio when it ends.

    Args:
        studio: its parts.
        host: the address that the server is bound to.
        token: what requests must bring; None, for loopback, if they need none.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        timer = asyncio.get_running_loop().call_later(_PATIENCE, studio.load)
        yield
        timer.cancel()
        studio.close()

    app = Starlette(
        routes=[*pages.routes(), *api.routes()],
        middleware=[Middleware(Guard, host=host, token=token)],
        exception_handlers={
            ValueError: _failed,
            OSError: _failed,
            MemoryError: _failed,
            CancelledError: _failed,
            ClientDisconnect: _gone,
            TooLargeError: _too_large,
            HTTPException: _unknown,
        },
        lifespan=lifespan,
    )
    app.state.studio = studio
    return app


async def _failed(request: Request, error: Exception) -> Response:
    status, text = failure_of(error)
    return JSONResponse({"error": text}, status)


async def _too_large(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the request is too large"}, 413)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # which nobody receives


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return JSONResponse({"error": str(error.detail)}, error.status_code)
