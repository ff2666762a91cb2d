"""Options that several commands have, and the arguments of the library that options stand for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(min=1)

json_option = functools.partial(click.option, "--json", "as_json", is_flag=True)
out_folder = functools.partial(click.option, "--out", metavar="DIR", required=True, type=PATH)
mask_kind = click.option(
    "--mask",
    metavar="center|hole|strokes",
    default="center",
    help="Square in the middle; squares, or strokes of a brush, at fixed random places.",
)
seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Random seed of the holes."
)
batch_size = click.option("--batch-size", type=click.IntRange(1, 4096), default=8)
limit = click.option("--limit", type=click.IntRange(1, 10**9), help="Score N of the photographs.")
lpips_weights = click.option(
    "--lpips-weights",
    metavar="FILE",
    type=PATH,
    help="Weights of LPIPS. Default: $INPAINT_TF_WEIGHTS, then the cache folder.",
)
max_pixels = functools.partial(
    click.option,
    "--max-megapixels",
    "max_pixels",
    metavar="N",
    type=COUNT,
    callback=lambda context, option, megapixels: megapixels * 1_000_000,
)


def _to_bytes(context: click.Context, option: click.Parameter, size: str | None) -> int | None:
    """Return a size of memory, between 1 MB and 1 TB, in bytes."""
    if size is None:
        return None
    import pydantic  # which takes a tenth of a second, for an option that is rarely given

    limited = Annotated[pydantic.ByteSize, pydantic.Field(ge=10**6, le=10**12)]
    try:
        return int(pydantic.TypeAdapter(limited).validate_python(size))
    except pydantic.ValidationError:
        raise click.BadParameter(
            f"{size!r} is not a size of memory such as 2GB or 500MB."
        ) from None


memory_option = click.option(
    "--memory",
    metavar="SIZE",
    callback=_to_bytes,
    help="What large photographs may take, beside TensorFlow: 2GB, say.  [default: 4GB]",
)

# What a command says of an option that only another command has.
_ELSEWHERE = {"resume": "`inpaint-tf train --resume`"}


def add_options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command several options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def with_options(message: str, command: click.Command | None = None) -> str:
    """Return an error of the library in the words of the command line.

    The library names its arguments in backticks, as in `coarse_at` or `strategy=single`. One that
    is an option of the command is named as that option: --coarse-at, --strategy single. Where the
    command has --set, any other setting is named by it: `on_nan=stop` is --set on_nan=stop.

    Args:
        message: of the error.
        command: whose options are looked up, also those of its subcommands; by default the one
            that is running.
    """
    context = click.get_current_context(silent=True)
    command = command or (context.command if context else None)
    if command is None:
        return message
    options = {**_ELSEWHERE, **dict(_options(command))}

    def render(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name in options:
            return " ".join(filter(None, (options[name], value)))
        return f"--set {name}={value}" if value and "set" in options else found[0]

    return re.sub(r"`([\w.]+)(?:=([^`\s]+))?`", render, message)


def _options(command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield the arguments of the library and their options."""
    for each in getattr(command, "commands", {}).values():
        yield from _options(each)
    for option in command.params:
        longest = max(option.opts, key=len)
        if isinstance(option, click.Option):
            yield longest.lstrip("-").replace("-", "_"), longest
            yield option.name or "", longest
