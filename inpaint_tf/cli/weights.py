"""`inpaint-tf weights`: networks that come with the install, and what metrics need beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from inpaint_tf.cli._echo import echo, echo_json
from inpaint_tf.cli._options import json_option
from neuralgym_lite.errors import UserError
from neuralgym_lite.progress import Progress, Track


@click.group("weights")
def command() -> None:
    """List networks and the weights of metrics; get the latter."""


@command.command("list")
@json_option(help="Print JSON.")
def list_weights(as_json: bool) -> None:
    """List what `--model` takes by name, then the weights of metrics and where they were found."""
    from inpaint_tf import weights
    from inpaint_tf.metrics.lpips_weights import SHA256

    rows = [_network(name) for name in weights.names()] + [_describe(name) for name in SHA256]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        echo(f"{row['name']:<15}{row.get('summary', row['where'])}")


@command.command("get")
@click.argument("name")
@click.option(
    "--from",
    "source",
    metavar="URL|DIR",
    envvar="INPAINT_TF_MIRROR",
    show_envvar=True,
    help="Where the published files lie, under their own names.  [default: where they were "
    "published]",
)
def get(name: str, source: str | None) -> None:
    """Download the weights NAME into the cache folder and print where they are."""
    from inpaint_tf import weights
    from inpaint_tf.importers.lpips import fetch

    if name in weights.names():
        raise UserError(f"'{name}' comes with the install; give it to --model.")
    with Progress() as progress:
        path = fetch(name, source, _bars(progress))
    echo(path)


def _bars(progress: Progress) -> Callable[[str, int, int | None], None]:
    """Return a callback that shows the progress of each file, in megabytes."""
    tracks: dict[str, Track] = {}

    def advance(file: str, done: int, total: int | None) -> None:
        if file not in tracks:
            progress.log(f"Downloading {file}")
            tracks[file] = progress.track(_megabytes(total or 0), "MB")
        tracks[file].advance(_megabytes(done) - tracks[file].done)

    return advance


def _megabytes(count: int) -> int:
    return -(-count // 1_000_000)


def _network(name: str) -> dict[str, Any]:
    from inpaint_tf import weights

    summary = weights.facts(name)["summary"]
    return {"name": name, "summary": summary, "found": True, "where": str(weights.locate(name))}


def _describe(name: str) -> dict[str, Any]:
    from inpaint_tf.metrics import lpips_weights

    try:
        path: Path = lpips_weights.find(name)
        lpips_weights.read(name, path)
    except UserError as error:
        return {"name": name, "found": False, "where": str(error)}
    return {"name": name, "found": True, "where": str(path)}
