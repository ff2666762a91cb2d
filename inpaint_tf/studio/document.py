"""A photograph that is open in a page, and its filled versions."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inpaint_tf.inference.conversion import UInt8
from inpaint_tf.studio.encoding import shown
from inpaint_tf.studio.reduction import Box, bounding_box, factor_of, reduced
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import Picture, read_picture
from neuralgym_lite.limits import MAX_PIXELS

_DECODING = threading.Semaphore(2)  # photographs that are decoded at once, to limit memory
ORIGINAL = 0  # number of the version that is as in the file


class GoneError(UserError):
    """A document or a version is unknown, because the server has restarted or has forgotten it."""


@dataclass(frozen=True)
class Choice:
    """How a page wants a photograph filled.

    Attributes:
        model: a name that the engine knows; empty for its default.
        detail: whether to add detail; None lets the model choose.
        blend: whether to blend colors into the surroundings.
    """

    model: str = ""
    detail: bool | None = None
    blend: bool = False


@dataclass(frozen=True)
class Version:
    """A filled photograph: what differs from another version of it lies in a file.

    Attributes:
        number: of the version in its document.
        parent: number of the version that was filled.
        box: of the pixels that differ.
        choice: how it was filled.
    """

    number: int
    parent: int
    box: Box
    choice: Choice


class Document:
    """A photograph that is open in a page.

    Only one version is held in memory, decoded: the one that was used last. Others are made from
    the file and from the pixels that each fill has changed, which lie in `folder`.

    Args:
        key: what pages call it.
        source: the file.
        folder: for the pixels of its versions.
        name: what it is called.
        relative: its path in the folder that is served; empty if it was sent by a page.

    Raises:
        ImageError: if the file is no photograph, or over a limit.
    """

    def __init__(self, key: str, source: Path, folder: Path, name: str, relative: str = "") -> None:
        self.key = key
        self.source = source
        self.folder = folder
        self.name = name
        self.relative = relative
        self.versions: dict[int, Version] = {}
        self._lock = threading.RLock()
        self._stamp = self._stamp_of_source()
        picture = _read(source)
        self._held: tuple[int, Picture] | None = (ORIGINAL, picture)
        self.height, self.width = picture.rgb.shape[:2]
        self.factor = factor_of(self.width, self.height)
        self.format = picture.format
        self.lost = picture.lost

    @property
    def pixels(self) -> int:
        """Number of pixels that are held in memory."""
        return self.width * self.height if self._held else 0

    def release(self) -> None:
        """Hold no pixels in memory until they are used again."""
        self._held = None

    def detach(self) -> None:
        """Go on with a copy of the file, which is about to be written over."""
        with self._lock:
            copy = self.folder / f"original{self.source.suffix}"
            shutil.copy2(self.source, copy)
            self.source = copy

    def picture(self, number: int) -> Picture:
        """Return a version.

        Raises:
            GoneError: if there is no such version.
            UserError: if the file has changed since it was opened, or cannot be read.
        """
        with self._lock:
            chain = self._chain(number)
            held = self._held
            if held and held[0] in chain:
                start, picture = held
            else:
                start, picture = ORIGINAL, self._original()
            for each in chain[chain.index(start) + 1 :]:
                picture = self._changed(picture, self.versions[each])
            self._held = number, picture
            return picture

    def add(self, parent: int, filled: Picture, mask: UInt8, choice: Choice) -> Version:
        """Keep a filled version.

        Args:
            parent: number of the version that was filled.
            filled: the result.
            mask: 1 where it was missing, uint8 of shape (H, W).
            choice: how it was filled.
        """
        box = bounding_box(mask)
        with self._lock:
            number = len(self.versions) + 1
            # A file without alpha is opaque.
            alpha = np.uint8(255) if filled.alpha is None else filled.alpha[box.slices]
            changed = {"rgb": filled.rgb[box.slices], "alpha": alpha, "mask": mask[box.slices]}
            np.savez(self._file(number), allow_pickle=False, **changed)
            self.patch_file(number).write_bytes(shown(self.reduced(filled, box)))
            self.versions[number] = version = Version(number, parent, box, choice)
        return version

    def reduced(self, picture: Picture, box: Box | None = None) -> Picture:
        """Return a version, or what a box of it touches, as its page shows it."""
        box = (box or Box(0, 0, self.width, self.height)).reduced(self.factor)
        place = box.enlarged(self.factor, self.width, self.height).slices
        alpha = None if picture.alpha is None else reduced(picture.alpha[place], self.factor)
        return replace(picture, rgb=reduced(picture.rgb[place], self.factor), alpha=alpha)

    def patch_file(self, number: int) -> Path:
        """Return the PNG of what a version changed, as its page shows it."""
        return self.folder / f"{number}.png"

    def mask(self, version: Version) -> UInt8:
        """Return the mask of a fill, 1 where it was missing, uint8 of shape (H, W)."""
        mask = np.zeros((self.height, self.width), np.uint8)
        with np.load(self._file(version.number)) as changed:
            mask[version.box.slices] = changed["mask"]
        return mask

    def version(self, number: int) -> Version:
        """Return the facts of a filled version.

        Raises:
            GoneError: if there is no such version.
        """
        if number not in self.versions:
            raise GoneError(f"'{self.name}' has no version {number}")
        return self.versions[number]

    def _chain(self, number: int) -> list[int]:
        """Return the numbers of the versions from the original to one."""
        chain = [number]
        while chain[-1] != ORIGINAL:
            chain.append(self.version(chain[-1]).parent)
        return chain[::-1]

    def _original(self) -> Picture:
        if self._stamp_of_source() != self._stamp:
            raise UserError(f"{self.name} has changed on disk since it was opened; open it again")
        return _read(self.source)

    def _stamp_of_source(self) -> tuple[int, int]:
        status = self.source.stat()
        return status.st_mtime_ns, status.st_size

    def _changed(self, picture: Picture, version: Version) -> Picture:
        with np.load(self._file(version.number)) as changed:
            rgb = picture.rgb.copy()
            rgb[version.box.slices] = changed["rgb"]
            alpha = picture.alpha
            if alpha is not None:
                alpha = alpha.copy()
                alpha[version.box.slices] = changed["alpha"]
        return replace(picture, rgb=rgb, alpha=alpha)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.npz"


def _read(path: Path) -> Picture:
    with _DECODING:
        return read_picture(path, MAX_PIXELS)
