"""The one kind of error that a user is meant to read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NO_TEXT = re.compile("[\ud800-\udfff]")


class UserError(ValueError):
    """A mistake that the user can mend, told in one line.

    The message names the thing, repeats the value that was received and says the way out. The
    command line prints it without a traceback and exits with 2.
    """


def printable(text: object) -> str:
    r"""Return text as one line that is safe to print; names of files may hold anything.

    Args:
        text: anything that has a `str`.

    Returns:
        The text, in which control characters and those that turn the direction of what follows
        are escaped as Python does it: `\x1b`, `\n`, `\u202e`. Bytes that are no text are U+FFFD.
    """
    return _STEERING.sub(_escape, _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", str(text)))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def reason_of(error: Exception) -> str:
    """Return why, on one line: of what the system refused its own words, without the number."""
    if isinstance(error, UserError):  # a line, in which names are as they are
        return str(error)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the tail of an error about an unknown name: the nearest known one, or all of them.

    Args:
        name: what was received.
        known: the names that would have been accepted.

    Returns:
        `"Did you mean 'x'?"` when one known name is near, else `"Known: a, b, c."`.
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known: {', '.join(names)}."
