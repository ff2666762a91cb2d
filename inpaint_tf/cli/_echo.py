"""Printing: names of files may hold any characters, and a terminal obeys some of them."""

from __future__ import annotations

import json
from typing import Any, TextIO

import click

from neuralgym_lite.errors import printable


def echo(*cells: object, file: TextIO | None = None) -> None:
    """Print one line, with tabs between cells. Characters that are not printable are escaped."""
    click.echo("\t".join(map(printable, cells)), file=file)


def tell(text: object) -> None:
    """Print one line to stderr."""
    click.echo(printable(text), err=True)


def echo_lines(text: str) -> None:
    """Print a text of several lines."""
    for line in text.rstrip("\n").split("\n"):
        echo(line)


def echo_json(data: Any, indent: int | None = 2, file: TextIO | None = None) -> None:
    """Print a JSON document. With `indent=None` it is one line."""
    # `json` does not escape this control character, which occurs in strings alone.
    click.echo(json.dumps(data, indent=indent).replace("\x7f", "\\u007f"), file=file)
