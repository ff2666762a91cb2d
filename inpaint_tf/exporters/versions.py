"""Folders of numbered versions, which a server polls: each appears as a whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from inpaint_tf.exported_version import EXPORT_FILES
from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import temporary_folder


@contextlib.contextmanager
def new_version(out: Path, file_format: str) -> Iterator[tuple[Path, Callable[[], Path]]]:
    """Yield a hidden folder to write to, and a function that makes it the next version.

    A folder that did not become a version is removed at the end.

    Args:
        out: the folder of the versions.
        file_format: a key of `EXPORT_FILES`.

    Raises:
        UserError: if `out` is no folder, has versions of another format, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"'{out}' is a file, not a folder. Choose another `out`.")
    _check_format(out, file_format)
    try:
        with temporary_folder(out) as hidden:
            yield hidden, lambda: _publish(hidden, out)
    except OSError as error:
        raise UserError(f"'{out}' cannot be written: {error.strerror or error}.") from error


def versions(out: Path) -> list[int]:
    """Return the numbers of the versions in a folder, in order."""
    if not out.is_dir():
        return []
    return sorted(int(each.name) for each in out.iterdir() if each.name.isdecimal())


def _publish(hidden: Path, out: Path) -> Path:
    number = max(versions(out), default=0) + 1
    # Someone else may take a number first; a folder with something in it is not replaced.
    while True:
        target = out / str(number)
        if not target.exists():
            with contextlib.suppress(FileExistsError, NotADirectoryError):
                return hidden.rename(target)
        number += 1


def _check_format(out: Path, file_format: str) -> None:
    for number in versions(out):
        folder = out / str(number)
        found = [name for name, file in EXPORT_FILES.items() if (folder / file).is_file()]
        if found != [file_format]:
            what = f"a model of format {found[0]}" if found else "something else"
            raise UserError(
                f"'{folder}' holds {what}, and a server takes all versions for the same. "
                f"Choose another `out` for format {file_format}."
            )
