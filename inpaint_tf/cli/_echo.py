"""The one way in which commands print: names of files may hold anything, and terminals obey."""

from __future__ import annotations

import json
from typing import Any, TextIO

import click

from neuralgym_lite.errors import printable


def echo(*cells: object, err: bool = False, file: TextIO | None = None) -> None:
    """Print one line; what is not printable in it is escaped.

    Args:
        cells: printed with tabs between them.
        err: whether to print to stderr.
        file: where to print instead.
    """
    click.echo("\t".join(map(printable, cells)), err=err, file=file)


def echo_json(data: Any, indent: int | None = 2, file: TextIO | None = None) -> None:
    """Print a JSON document.

    Args:
        data: of JSON types.
        indent: spaces of a level; None for one line.
        file: where to print instead of stdout.
    """
    # The one control character that `json` leaves as it is; it can be in strings alone.
    click.echo(json.dumps(data, indent=indent).replace("\x7f", "\\u007f"), file=file)
