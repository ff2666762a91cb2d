"""Output files and folders: early checks, atomic writes, and the remains of killed processes."""

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

ABANDONED = 24 * 3600.0  # seconds after which no process can still be writing a file
_match_leftover = re.compile(
    r"\.partial-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}(?:\..*)?", re.DOTALL
).fullmatch
_CLEANED: set[Path] = set()


def make_folder(folder: Path) -> Path:
    """Make a folder if necessary, and check that files can be written to it.

    Raises:
        UserError: if the folder cannot be made or written to.
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
    """Return an unused hidden path, for a file that is renamed when it is complete.

    Remains of killed processes in the folder are removed first.
    """
    remove_leftovers(folder)
    return folder / f".partial-{_place()}-{os.getpid()}-{secrets.token_hex(8)}{suffix}"


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Make a hidden folder in `parent`, removed at the end of the block unless it was renamed."""
    parent.mkdir(parents=True, exist_ok=True)
    hidden = temporary_name(parent)
    try:
        hidden.mkdir()
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide a temporary path in the same folder and with the same suffix, to write a file to.

    It is renamed to `path` on success, and deleted if the block fails.
    """
    path = Path(path)
    temporary = temporary_name(path.parent, path.suffix)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes to a file in an existing folder atomically, even if the power fails."""
    with atomic_path(path) as temporary, temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> None:
    """Remove files that killed processes left under names of `temporary_name`.

    Each process does this once for a folder, because folders may be large. Files of living
    processes, and of processes on other machines, are kept for a day.
    """
    place = folder.absolute()
    if place in _CLEANED:
        return
    _CLEANED.add(place)
    try:
        found = [path for path in folder.iterdir() if path.name.startswith(".partial-")]
    except OSError:  # the next write will report it
        return
    for path in found:
        match = _match_leftover(path.name)
        # A file that cannot be removed does no harm: it is hidden, and its name is not used again.
        with contextlib.suppress(OSError):
            if match and (_is_dead(*match.groups()) or _is_abandoned(path)):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@functools.cache
def _place() -> str:
    """Return an identifier of this boot and container, in which process ids are unique."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        identity = f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux: a random identifier, so that only the age of a file counts
        identity = secrets.token_hex(8)
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def _is_dead(place: str, process: str) -> bool:
    """Return whether a process has certainly ended, which is unknown for other machines."""
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
    # The file system may have the clock of another machine.
    with tempfile.TemporaryFile(dir=path.parent) as file:
        now = os.fstat(file.fileno()).st_mtime
    return now - path.lstat().st_mtime > ABANDONED
