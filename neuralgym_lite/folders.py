"""Where a command writes to: better refused before hours of work than after them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from neuralgym_lite.errors import UserError


def make_out(folder: Path) -> Path:
    """Make the folder of `--out`, and see that a file can be written into it.

    Raises:
        UserError: if not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Folder '{folder}' cannot be made: {error.strerror}; choose another with --out"
        ) from error
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UserError(
            f"Folder '{folder}' cannot be written to: {error.strerror}; choose another with --out"
        ) from error
