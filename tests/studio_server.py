"""A studio in a thread of the tests, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from inpaint_tf.studio.app import create_app
from inpaint_tf.studio.engine import Engine
from inpaint_tf.studio.folder import Folder
from inpaint_tf.studio.server import Server, bind
from inpaint_tf.studio.studio import Studio

BOUNDARY = "a-boundary"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def served(
    folder: Path | None = None,
    model: str = "telea",
    host: str = "127.0.0.1",
    token: str | None = None,
) -> Iterator[tuple[str, Studio]]:
    """Serve a studio at a free port, and yield its address."""
    studio = Studio(Engine(model), Folder(folder) if folder else None)
    started = threading.Event()
    with bind(host, 0) as bound:
        server = Server(create_app(studio, host, token), started.set)
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        try:
            assert started.wait(60)
            yield f"http://127.0.0.1:{bound.getsockname()[1]}", studio
        finally:
            server.should_exit = True
            thread.join(60)


def ask(
    url: str, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    """Send a request, without anything that is not given."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        place = f"{parts.path}?{parts.query}" if parts.query else parts.path or "/"
        connection.request(method, place, body or None, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def form(**fields: bytes | str) -> dict[str, Any]:
    """Return the body and headers of a multipart form; bytes are files."""
    parts = []
    for name, value in fields.items():
        head = f'form-data; name="{name}"' + ('; filename="x"' if isinstance(value, bytes) else "")
        data = value if isinstance(value, bytes) else value.encode()
        parts.append(
            f"--{BOUNDARY}\r\nContent-Disposition: {head}\r\n\r\n".encode() + data + b"\r\n"
        )
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return {
        "method": "POST",
        "body": body,
        "headers": {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    }
