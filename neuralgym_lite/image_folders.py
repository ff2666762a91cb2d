"""Lists of the images in a folder."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from neuralgym_lite.errors import UserError
from neuralgym_lite.images import SUFFIXES

Log: TypeAlias = Callable[[str], object]

_NEVER_LISTED = ("thumbs.db", "desktop.ini")  # hidden files of Windows
_PLAIN_SUFFIX = re.compile(r"\.\w{1,8}", re.ASCII)
_SHOWN_KINDS = 8


def find_images(folder: str | os.PathLike[str], log: Log | None = None) -> list[Path]:
    """List the images of a folder and its subfolders, except for hidden ones.

    Args:
        folder: the folder.
        log: called with a message about files of other kinds, if there are any.

    Returns:
        Files with one of `SUFFIXES`, ignoring case, sorted by their POSIX path relative to
        `folder`.

    Raises:
        UserError: if `folder` is missing, not a folder, or has no images.
        OSError: if it or a subfolder cannot be read.
    """
    return [Path(folder, name) for name in list_images(folder, log)]


def list_images(folder: str | os.PathLike[str], log: Log | None = None) -> list[str]:
    """Return the paths of `find_images` relative to `folder`, as strings, which is faster.

    Links to folders are followed. Each folder is listed once, so that circular links end. A folder
    that is in `folder` itself is listed under its own name, not that of a link.
    """
    folder = Path(folder)
    if not folder.exists():
        raise UserError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder")
    found: list[str] = []
    others: Counter[str] = Counter()
    for parent, names in _walk(folder):
        below = Path(parent).relative_to(folder).as_posix()
        place = "" if below == "." else f"{below}/"
        for name in names:
            lower = name.lower()
            if name.startswith(".") or lower in _NEVER_LISTED:
                continue
            if lower.endswith(SUFFIXES):
                found.append(place + name)
            else:
                others[Path(lower).suffix] += 1
    known = ", ".join(SUFFIXES)
    if not found:
        beside = f"; found {_kinds(others)}" if others else ""
        raise UserError(f"{folder}: no picture in it (looked for {known}{beside})")
    if others and log:
        log(f"{folder}: left out {_kinds(others)}; read are {known}")
    return sorted(found)


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder with the names of its files. Linked folders come last."""
    starts, visited = deque([folder]), set()
    while starts:
        for parent, folders, names in os.walk(starts.popleft(), onerror=_raise):  # not into links
            status = Path(parent).stat()
            place = status.st_dev, status.st_ino
            if place in visited:
                folders.clear()
                continue
            visited.add(place)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = (Path(parent, name) for name in folders)
            starts += (path for path in below if path.is_symlink())
            yield parent, names


def _raise(error: OSError) -> None:
    raise error


def _kinds(counts: Counter[str]) -> str:
    """Return the number of files of each suffix, in words. Rare suffixes are added up."""
    plain = [suffix for suffix in counts if _PLAIN_SUFFIX.fullmatch(suffix)]
    named = sorted(plain, key=lambda suffix: (-counts[suffix], suffix))[:_SHOWN_KINDS]
    parts = [f"{counts[suffix]} {suffix}" for suffix in named]
    if rest := counts.total() - sum(counts[suffix] for suffix in named):
        parts.append(f"{rest} other")
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"{listed} file{'s' * (counts.total() > 1)}"
