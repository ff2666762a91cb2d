"""Serve a studio until it is interrupted."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from neuralgym_lite.errors import UserError, reason_of

_GRACE = 2  # seconds for answers that are under way when the server ends


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address.

    Args:
        host: name or address.
        port: 0 takes any free one.

    Raises:
        UserError: if the port is in use, or the address is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.ExitStack() as stack:
            bound = stack.enter_context(socket.socket(family, kind, protocol))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            stack.pop_all()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"Port {port} of {host} is in use; choose another `port` (0: any that is free)"
            ) from None
        raise UserError(f"`host` {host} cannot be bound to: {reason_of(error)}") from error
    bound.set_inheritable(True)
    return bound


class Server(uvicorn.Server):
    """A server of one application on one socket.

    Args:
        app: what answers.
        on_start: called when it listens.
    """

    def __init__(self, app: Starlette, on_start: Callable[[], object] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,  # which would close the handlers of all other loggers
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_start()
