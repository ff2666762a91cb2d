"""A JSON reader for untrusted files, with limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 20
MAX_DEPTH = 100
MAX_DIGITS = 30


def read(path: str | Path, limit: int = MAX_BYTES) -> Any:
    """Return the JSON value in a file; errors are those of `parse`, and an `OSError`."""
    with Path(path).open("rb") as file:
        return parse(file.read(limit + 1), limit)


def parse(data: bytes, limit: int = MAX_BYTES) -> Any:
    """Return the JSON value in UTF-8 text.

    Raises:
        ValueError: with a message of one line, if the text is not JSON, is longer than `limit`
            bytes, has a key twice in one object, is nested deeper than `MAX_DEPTH`, or has an
            integer of more than `MAX_DIGITS` digits.
    """
    if len(data) > limit:
        raise ValueError(f"it is longer than {limit:,} bytes")
    try:
        value = json.loads(data, object_pairs_hook=_object, parse_int=_integer)
        deep = _depth(value) > MAX_DEPTH
    except RecursionError:
        deep = True
    if deep:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    return value


def _depth(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, parts), default=0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key[:80]!r} occurs twice")
        result[key] = value
    return result


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"it has an integer of {len(text):,} digits")
    return int(text)
