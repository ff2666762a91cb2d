"""`inpaint-tf studio`: fill photographs in the browser."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import webbrowser
from pathlib import Path

import click

from inpaint_tf.cli._echo import echo, tell
from inpaint_tf.cli._options import PATH, memory_option
from inpaint_tf.weights import DEFAULT
from neuralgym_lite.errors import UserError

PORT = 8765


@click.command("studio")
@click.argument("given", metavar="[PHOTO_OR_FOLDER]", required=False, type=PATH)
@click.option(
    "--model",
    "source",
    metavar="FROM",
    default=DEFAULT,
    help="As for `inpaint-tf fill`. The page also offers the models of `weights list`.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, help="0: any that is free.")
@click.option(
    "--host",
    default="127.0.0.1",
    help="Address to serve at. Where other machines reach it, a token is needed, and printed.",
)
@memory_option
@click.option("--no-browser", is_flag=True, help="Do not open the page.")
def command(
    given: Path | None, source: str, port: int, host: str, memory: int | None, no_browser: bool
) -> None:
    """Open a page in the browser: paint over a thing, and it is gone.

    Photographs of the folder can be opened and saved beside their originals, under new names.
    Without a folder, drop photographs on the page, and download the results. Everything stays on
    this machine. Ctrl-C ends it.
    """
    try:
        from inpaint_tf.studio.app import create_app
        from inpaint_tf.studio.server import Server, bind
    except ModuleNotFoundError as error:
        raise UserError(
            f"The studio needs the package '{error.name}': pip install 'inpaint-tf[studio]'"
        ) from None
    from inpaint_tf.studio.engine import Engine
    from inpaint_tf.studio.folder import Folder
    from inpaint_tf.studio.security import is_loopback
    from inpaint_tf.studio.studio import Studio

    folder = Folder(given) if given else None
    engine = Engine(source, memory)
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    bound = bind(host, port)
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104
    name = f"[{name}]" if ":" in name else name
    url = f"http://{name}:{bound.getsockname()[1]}/{f'?token={token}' if token else ''}"

    def announce() -> None:
        echo(url)
        sys.stdout.flush()
        tell("The page is open at this address. Ctrl-C ends it.")
        if not no_browser and _has_display():
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    with bound:
        Server(create_app(Studio(engine, folder), host, token), announce).run([bound])


def _has_display() -> bool:
    """Return whether a browser would have a window, not take the terminal."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
