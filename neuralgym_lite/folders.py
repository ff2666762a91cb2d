"""Folders to write to: better refused before hours of work than after them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from neuralgym_lite.errors import UserError, reason_of


def make_folder(folder: Path) -> Path:
    """Make a folder where it is missing, and see that a file can be written into it.

    Raises:
        UserError: If not.
    """
    task = "made"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        task = "written to"
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(
            f"Folder '{folder}' cannot be {task}: {reason_of(error)}; choose another with --out"
        ) from error
    return folder
