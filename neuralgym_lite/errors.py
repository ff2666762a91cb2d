"""Errors that are shown to the user, and helpers for their messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NO_TEXT = re.compile("[\ud800-\udfff]")


class UserError(ValueError):
    """An error that the user can correct, with a message of one line.

    The message names the thing, repeats the value and says what to do. The command line prints it
    without a traceback and exits with 2.

    Example:
        >>> try:
        ...     inpaint_tf.load("tela")
        ... except inpaint_tf.UserError as error:
        ...     print(str(error)[:47])
        There is no model 'tela'. Did you mean 'telea'?
    """


def printable(text: object) -> str:
    r"""Return text as one line that is safe to print. File names may contain any character.

    Control characters and those that change the direction of writing are escaped as in Python:
    `\x1b`, `\n`, `\u202e`. Bytes that are not text become U+FFFD.
    """
    return _STEERING.sub(_escape, _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", str(text)))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def reason_of(error: Exception) -> str:
    """Return the message of an error on one line, without the number of an `OSError`."""
    if isinstance(error, UserError):  # has one line already, and names in it must not change
        return str(error)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
    """Raise a UserError if a name of some kind is unknown."""
    if name not in known:
        raise UserError(f"Unknown {kind}: '{name}'. {did_you_mean(name, known)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `"Did you mean 'x'?"` if a known name is similar to an unknown one, else all names."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known: {', '.join(names)}."
