"""JSON that somebody else may have written, read within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 20
MAX_DEPTH = 100
MAX_DIGITS = 30


def read(path: str | Path, limit: int = MAX_BYTES) -> Any:
    """Read a file that holds one JSON value.

    Args:
        path: the file.
        limit: the most bytes that are read of it.

    Raises:
        OSError: if it cannot be read.
        ValueError: as `parse`.
    """
    with Path(path).open("rb") as file:
        return parse(file.read(limit + 1), limit)


def parse(data: bytes, limit: int = MAX_BYTES) -> Any:
    """Return the JSON value in UTF-8 text.

    Args:
        data: the text.
        limit: the most bytes that are taken.

    Raises:
        ValueError: one line, if it is no JSON, longer than `limit`, has a key twice in one object,
            is nested deeper than `MAX_DEPTH`, or has a whole number of more than `MAX_DIGITS`.
    """
    if len(data) > limit:
        raise ValueError(f"it is longer than {limit:,} bytes")
    try:
        value = json.loads(data, object_pairs_hook=_without_twins, parse_int=_whole_number)
    except RecursionError:
        raise ValueError(_DEEP) from None
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [part for outer in level for part in _parts(outer)]
        if not level:
            return value
    raise ValueError(_DEEP)


_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key[:80]!r} stands twice")
        made[key] = value
    return made


def _whole_number(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"it has a whole number of {len(text):,} digits")
    return int(text)
