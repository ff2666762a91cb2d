"""The one kind of error that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake that the user can mend, told in one line.

    The message names the thing, repeats the value that was received and says the way out. The
    command line prints it without a traceback and exits with 2.
    """


def reason_of(error: Exception) -> str:
    """Return why, on one line: of what the system refused its own words, without the number."""
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
