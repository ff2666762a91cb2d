"""The command `inpaint-tf`: finds the sub-command and turns mistakes into one line."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import keyword
import pkgutil
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import click

from inpaint_tf.cli import __path__
from inpaint_tf.cli._echo import tell
from inpaint_tf.cli._options import with_options
from neuralgym_lite.errors import UserError, did_you_mean, reason_of

# A command is a module of this package; a trailing underscore keeps its name from being a keyword.
COMMANDS = tuple(
    sorted(
        module.name.removesuffix("_")
        for module in pkgutil.iter_modules(__path__)
        if module.name != "main" and not module.name.startswith("_")
    )
)
USAGE_ERROR, INTERRUPTED = 2, 130
_AGAIN = 1.0  # seconds from one try to interrupt to the next


class _Commands(click.Group):
    """Imports a command when it is asked for: TensorFlow takes seconds to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = f"{name}_" if keyword.iskeyword(name) else name
        command: click.Command = importlib.import_module(f"inpaint_tf.cli.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UserError(f"Unknown command: '{args[0]}'. {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            raise UserError(with_options(str(error), command)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="inpaint-tf")
def cli() -> None:
    """Fill holes in photographs with contextual attention."""


def main(command: click.Command = cli) -> None:
    """Run a command of the command line; a user's mistake is one line on stderr and exit code 2.

    Ctrl-C is one line and exit code 130, once what is half-written has been removed.

    Args:
        command: what to run; all of `inpaint-tf` by default.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # which may have letters that it cannot print
        sys.stdout.reconfigure(errors="backslashreplace")
    if code := _run(command):
        # An error holds the frames it came from, and with them TensorFlow's iterators. Left to the
        # end of the interpreter, these may wait forever for threads that cannot run Python then.
        gc.collect()
        sys.exit(code)


def _run(command: click.Command) -> int:
    """Run the command line, print what went wrong, and return the exit code."""
    try:
        with _insisting_on_interrupts():
            command.main(standalone_mode=False, show_default=True)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        tell(f"Error: {error.format_message()}")
        return error.exit_code
    except UserError as error:
        tell(f"Error: {error}")
        return USAGE_ERROR
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        tell(f"Error: {place}{reason_of(error)}")
        return USAGE_ERROR
    except click.Abort:
        tell("Stopped.")
        return INTERRUPTED
    return 0


@contextlib.contextmanager
def _insisting_on_interrupts() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on Ctrl-C, and again until it leaves the block.

    Python drops an exception that is raised in a callback from C, of which TensorFlow has many.
    """
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        # Only a second Ctrl-C interrupts the removal of half-written files.
        if number == signal.SIGINT or not isinstance(sys.exc_info()[1], KeyboardInterrupt):
            raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each, handler in before.items():
            signal.signal(each, handler)
