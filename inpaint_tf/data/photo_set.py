"""A set of photographs: keys, their split into train and test, and how one is read."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from inpaint_tf.data.split import canonical, deal
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import Tell, list_images, read_rgb

# What `content` reads. Up to here it takes seconds: 0.15 ms for a photograph of 26 KB, 0.4 ms from
# a cold disk. Another number makes another digest: give it another name in the manifest then.
CONTENT_FILES = 100_000
CONTENT_BYTES = 256 * 1024  # of one file
READERS = 8  # threads, as a network disk answers late
AT_ONCE = 64  # files of a thread: to hand over each alone costs more than to read it


def list_keys(root: Path, below: str = "", tell: Tell | None = None) -> tuple[str, ...]:
    """List the keys of all images in a folder and the folders below, hidden ones left out.

    Args:
        root: the folder that the keys are relative to.
        below: the folder to list, relative to `root`.
        tell: as for `find_images`.

    Returns:
        Posix paths relative to `root`, sorted. No image is opened or asked for its size: a million
        of them take seconds.

    Raises:
        UserError: the folder is missing, is no folder, or holds no image.
        OSError: the folder or one below cannot be read.
    """
    names = list_images(root / below, tell)
    return tuple(f"{below}/{name}" for name in names) if below else tuple(names)


@dataclass(frozen=True)
class PhotoSet:
    """Photographs by key, split into train and test.

    Attributes:
        name: the data set's name, such as `"animals"`.
        root: the folder that the keys are relative to, `None` where they are no files of one.
        train: keys of the photographs to train on.
        test: keys of the photographs held out.
        default_subset: how many train photographs are taken where nobody says; None for all.

    Raises:
        UserError: one of the two splits is empty.
    """

    default_subset: ClassVar[int | None] = None

    name: str
    root: Path | None
    train: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.train or not self.test:
            raise UserError(
                f"'{self.where}' has {len(self.train)} train and {len(self.test)} test images: "
                f"too few for data set '{self.name}', which needs both; add images to it."
            )

    @property
    def where(self) -> str:
        """What messages call it: the folder, or the name where there is none."""
        return str(self.root or self.name)

    def path(self, key: str) -> Path:
        """Return the file that holds the photograph `key`."""
        return Path(self.root or "", key)

    def weigh(self, key: str) -> int:
        """Return the bytes of the file that holds the photograph `key`, 0 if it is missing."""
        try:
            return self.path(key).stat().st_size
        except OSError:
            return 0

    def load_full(self, key: str) -> np.ndarray:
        """Read a photograph at its own size.

        Args:
            key: one of `train` or `test`.

        Returns:
            uint8 RGB, (H, W, 3).

        Raises:
            ImageError: the file is missing, broken or no image.
        """
        return read_rgb(self.path(key))

    def load(self, key: str, size: int) -> np.ndarray:
        """Read a whole photograph, resized to a square; its aspect is not kept, as in the paper.

        Args:
            key: one of `train` or `test`.
            size: height and width of the result, in pixels.

        Returns:
            uint8 RGB, (size, size, 3), resized bilinearly with antialiasing.

        Raises:
            ImageError: the file is missing, broken or no image.
        """
        picture = Image.fromarray(self.load_full(key))
        return np.array(picture.resize((size, size), Image.Resampling.BILINEAR))

    def subset(self, count: int) -> PhotoSet:
        """Take some of the train photographs, equally many of each class; the test ones stay.

        Args:
            count: train photographs to take; all where there are fewer. A class is what lies in
                one folder.

        Returns:
            The subset, which depends on the names alone; it is contained in every larger one.

        Raises:
            UserError: `count` is below 1.
        """
        if count < 1:
            raise UserError(
                f"A subset of data set '{self.name}' must have at least 1 photograph. "
                f"Received: {count}"
            )
        return replace(self, train=deal(self.train, count))

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of the sorted keys, their file sizes and their split.

        It tells two data sets apart without reading a picture, but not two of which one has other
        pixels in files of the same names and sizes: see `content`. Where the photographs lie, and
        in which order they were listed, does not enter it.
        """
        digest = hashlib.sha256()
        for split, keys in (("train", self.train), ("test", self.test)):
            for key in sorted(keys, key=canonical):
                size = self.weigh(key)
                digest.update(b"%s\0%s\0%d\0" % (split.encode(), canonical(key), size))
        return digest.hexdigest()

    def content(self) -> str:
        """Return the SHA-256 (hex) of what is in the files, in the order of their keys.

        Of a file above 256 KiB it covers the first and the last half of that; of more than 100,000
        photographs every second, third, ..., so that there are at most so many. A file that is
        missing counts as empty.
        """
        keys = sorted((*self.train, *self.test), key=canonical)
        paths = list(dict.fromkeys(map(self.path, keys)))  # of samples many are of one file
        paths = paths[:: -(-len(paths) // CONTENT_FILES)]
        parts = [paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE)]
        with ThreadPoolExecutor(READERS) as pool:
            digests = pool.map(lambda part: b"".join(map(_digest, part)), parts)
            return hashlib.sha256(b"".join(digests)).hexdigest()


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(CONTENT_BYTES // 2)
            end = os.fstat(file.fileno()).st_size - CONTENT_BYTES // 2
            file.seek(max(end, len(start)))
            return hashlib.sha256(start + file.read()).digest()
    except OSError:
        return hashlib.sha256().digest()


class CachedPhotos:
    """Photographs of one size, kept in memory up to a limit; safe to share between threads.

    Once the limit is reached, photographs that are not yet kept are read anew each time.
    """

    def __init__(self, photos: PhotoSet, size: int, limit_bytes: int = 2 * 1024**3) -> None:
        """Start with nothing in memory.

        Args:
            photos: where the photographs come from.
            size: height and width of every photograph, in pixels.
            limit_bytes: memory that the pixels may take.
        """
        self.photos = photos
        self.size = size
        self.limit_bytes = limit_bytes
        self._kept: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    def load(self, key: str) -> np.ndarray:
        """Return a photograph, from memory where it is kept.

        Args:
            key: one of the data set's keys.

        Returns:
            uint8 RGB, (size, size, 3), read-only, for all callers share it.

        Raises:
            ImageError: the file is missing, broken or no image.
        """
        # Look-ups need no lock, and reading happens outside it: two threads may at worst read
        # the same photograph once each.
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        photo = self.photos.load(key, self.size)
        photo.setflags(write=False)
        with self._lock:
            # All photographs weigh the same, so that their number gives the bytes.
            if (len(self._kept) + 1) * photo.nbytes <= self.limit_bytes:
                return self._kept.setdefault(key, photo)
        return photo
