"""The folder that a studio serves: what is listed, what may be opened, where results go."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neuralgym_lite.errors import UserError
from neuralgym_lite.images import SUFFIXES

_FILLED = re.compile(r"(.+)-filled(?:-\d+)?(\.\w+)", re.DOTALL)


@dataclass(frozen=True)
class Listed:
    """A photograph of a folder.

    Attributes:
        path: relative to the folder, with slashes.
        is_done: whether a filled one lies beside it.
    """

    path: str
    is_done: bool


class Folder:
    """A folder of photographs, or a single one in its folder.

    Nothing outside of the folder is read or written. Links that lead out of it, hidden files and
    filled photographs beside their originals are not listed.

    Args:
        given: a folder or a photograph.

    Raises:
        UserError: if there is no such thing.

    Example:
        >>> from pathlib import Path
        >>> from inpaint_tf.studio.folder import Folder
        >>> Path("holiday").mkdir()
        >>> Folder(Path("holiday")).photographs()
        []
    """

    def __init__(self, given: Path) -> None:
        if not given.exists():
            raise UserError(f"{given}: no such file or folder")
        if given.is_file() and not given.name.lower().endswith(SUFFIXES):
            raise UserError(f"{given}: is no photograph. Known formats: {', '.join(SUFFIXES)}")
        self.single = None if given.is_dir() else given.name
        self.root = (given if given.is_dir() else given.parent).resolve()

    def photographs(self) -> list[Listed]:
        """List the photographs, sorted by path.

        Raises:
            OSError: if the folder cannot be read.
        """
        found = set(self._walk())
        originals = {path: original for path in found if (original := _original(path)) in found}
        listed = {self.single} if self.single else found - originals.keys()
        done = set(originals.values())
        return [Listed(path, path in done) for path in sorted(listed)]

    def locate(self, relative: str) -> Path:
        """Return the file of a photograph, without links.

        Args:
            relative: its path in the folder.

        Raises:
            UserError: if it is no photograph of the folder.
        """
        hidden = any(part.startswith(".") for part in Path(relative).parts)
        if hidden and relative != self.single:
            raise UserError(f"{relative}: no such photograph in the folder")
        try:
            path = (self.root / relative).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # none, a name with NUL, links in a circle
            raise UserError(f"{relative}: no such photograph in the folder") from None
        if not self._is_inside(path) or not path.is_file():
            raise UserError(f"{relative}: no such photograph in the folder")
        if self.single not in (None, relative) or not relative.lower().endswith(SUFFIXES):
            raise UserError(f"{relative}: is no photograph of the folder")
        return path

    def proposed_name(self, relative: str) -> str:
        """Return a name for a filled photograph that no file has yet."""
        place = (self.root / relative).parent
        names = (self.filled_name(Path(relative).name, number) for number in range(1, 10**6))
        return next(name for name in names if not os.path.lexists(place / name))

    @staticmethod
    def filled_name(name: str, number: int = 1) -> str:
        """Return the name of a filled photograph, which tells that of its original."""
        more = f"-{number}" if number > 1 else ""
        return f"{Path(name).stem}-filled{more}{Path(name).suffix}"

    def target(self, relative: str, name: str, overwrite: bool = False) -> Path:
        """Return where a filled photograph may be written.

        Args:
            relative: path of the original in the folder.
            name: of the file, beside the original.
            overwrite: whether a file of that name may be replaced.

        Raises:
            UserError: if the name is none, or of another format.
            FileExistsError: if there is such a file.
        """
        suffix = Path(relative).suffix
        if not name or {*name} & {"/", "\\", "\0"} or name.startswith("."):
            raise UserError(f"'{name}' is no name of a file in the folder of the photograph")
        if Path(name).suffix.lower() != suffix.lower() or len(os.fsencode(name)) > 250:
            raise UserError(f"'{name}': the format is kept, so the name must end in {suffix}")
        place = (self.root / relative).parent.resolve()
        if not self._is_inside(place):
            raise UserError(f"{relative}: is not in the folder")
        target = place / name
        if target.is_symlink() or target.is_dir():
            raise UserError(f"'{name}' is a link or a folder; choose another name")
        if target.exists() and not overwrite:
            raise FileExistsError(f"{name} exists already")
        return target

    def _walk(self) -> Iterator[str]:
        for parent, folders, names in os.walk(self.root):  # not into links
            folders[:] = [] if self.single else [x for x in folders if not x.startswith(".")]
            below = Path(parent).relative_to(self.root).as_posix()
            place = "" if below == "." else f"{below}/"
            for name in names:
                path = Path(parent, name)
                hidden = name.startswith(".") or not name.lower().endswith(SUFFIXES)
                if not hidden and not (path.is_symlink() and not self._leads_inside(path)):
                    yield place + name

    def _leads_inside(self, link: Path) -> bool:
        try:
            return self._is_inside(link.resolve(strict=True))
        except (OSError, RuntimeError):
            return False

    def _is_inside(self, path: Path) -> bool:
        return path.is_relative_to(self.root)


def _original(path: str) -> str:
    """Return the photograph that a path is the filled one of, if its name says so."""
    found = _FILLED.fullmatch(path)
    return found[1] + found[2] if found else ""
