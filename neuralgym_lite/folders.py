"""Folders to write to: refused before hours of work, and rid of what killed processes left."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from neuralgym_lite.errors import UserError, reason_of

ABANDONED = 24 * 3600.0  # seconds after which nobody can still be writing
_match_leftover = re.compile(
    r"\.partial-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}(\..*)?", re.DOTALL
).fullmatch
_CLEANED: set[Path] = set()


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
            f"Folder '{folder}' cannot be {task}: {reason_of(error)}; choose another `out`"
        ) from error
    return folder


def temporary_name(folder: Path, suffix: str = "") -> Path:
    """Return a hidden name that nothing has yet, for what is renamed when it is whole.

    What killed processes left under such names in this folder is removed first.

    Args:
        folder: where it is to be.
        suffix: of the name, with its dot.
    """
    remove_leftovers(folder)
    return folder / f".partial-{_place()}-{os.getpid()}-{secrets.token_hex(8)}{suffix}"


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Lend a hidden folder, which is removed at the end unless it was renamed.

    Args:
        parent: where it is; made where it is missing.

    Raises:
        OSError: If it cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    hidden = temporary_name(parent)
    try:
        hidden.mkdir()
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder under names of `temporary_name`.

    A folder is looked through once in a process: it may be large. What a living process, or one on
    another machine, may still be writing stays for a day.
    """
    place = folder.absolute()
    if place in _CLEANED:
        return
    _CLEANED.add(place)
    try:
        found = [
            (path, match) for path in folder.iterdir() if (match := _match_leftover(path.name))
        ]
    except OSError:  # whoever writes into it will say so
        return
    for path, match in found:
        # What cannot be removed is in nobody's way: it is hidden, and takes no name.
        with contextlib.suppress(OSError):
            if _is_dead(*match.group(1, 2)) or _is_abandoned(path):
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@functools.cache
def _place() -> str:
    """Return what tells apart where numbers of processes mean the same: boots and containers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        told = f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux: a place of its own, so that age alone counts
        told = secrets.token_hex(8)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def _is_dead(place: str, process: str) -> bool:
    """Tell whether a process has surely ended; of those elsewhere nothing is sure."""
    if place != _place() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


def _is_abandoned(path: Path) -> bool:
    # By the clock of the file system, which may be another machine's.
    with tempfile.TemporaryFile(dir=path.parent) as file:
        now = os.fstat(file.fileno()).st_mtime
    return now - path.lstat().st_mtime > ABANDONED
