"""The file `per_image.csv`: one row for each photograph and method, safe in a spreadsheet.

A spreadsheet executes a cell that begins with a character such as `=`. A file name that begins with
one gets an apostrophe in front (OWASP, "CSV Injection"), and so does one with apostrophes before
such a character, so that `read_rows` can restore every name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NAMES = ("photograph", "method")


def write_rows(metrics: Sequence[str], rows: Iterable[tuple[str, str, Sequence[str]]]) -> bytes:
    """Return the content of the file.

    Args:
        metrics: names of the metric columns.
        rows: photograph, method, and the score in each of `metrics`, as text.
    """
    text = io.StringIO()
    plain, quoted = (
        csv.writer(text, lineterminator="\n", quoting=kind)
        for kind in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    plain.writerow([*_NAMES, *metrics])
    for photograph, method, numbers in rows:
        # Before Python 3.13, the csv module does not quote a carriage return.
        writer = quoted if "\r" in photograph + method else plain
        writer.writerow([_harmless(photograph), _harmless(method), *numbers])
    return text.getvalue().encode("utf-8", "surrogateescape")


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file as dicts, with the original names."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update({column: _original(row[column]) for column in _NAMES})
    return rows


def _harmless(name: str) -> str:
    return f"'{name}" if _is_formula(name) else name


def _original(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    return text.lstrip("'").startswith(_FORMULA)
