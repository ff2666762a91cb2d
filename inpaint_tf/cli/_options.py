"""Options, and the arguments of the library that they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click


def to_pixels(ctx: click.Context, option: click.Parameter, megapixels: int) -> int:
    """Return megapixels as pixels; a callback of an option."""
    return megapixels * 1_000_000


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
    options = dict(_options(command)) if command else {}

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
