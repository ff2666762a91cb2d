"""A data set: keys of photographs, their split into train and test, and reading them."""

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

from inpaint_tf.data.split import balanced_subset, canonical
from neuralgym_lite.errors import UserError
from neuralgym_lite.image_folders import Log, list_images
from neuralgym_lite.images import read_rgb

# Limits of what `content` reads, so that it takes seconds: 0.15 ms for a file of 26 KB, 0.4 ms from
# a cold disk. Other limits result in another digest, which needs another name in the manifest.
CONTENT_FILES = 100_000
CONTENT_BYTES = 256 * 1024  # per file
READERS = 8  # threads, because network disks have a high latency
AT_ONCE = 64  # files per task: a task for each file costs more than reading it


def list_keys(root: Path, below: str = "", log: Log | None = None) -> tuple[str, ...]:
    """List the keys of all images in a folder: POSIX paths relative to `root`, sorted.

    Images are not opened, so that a million of them take seconds.

    Args:
        root: the folder that keys are relative to.
        below: the folder to list, relative to `root`.
        log: as for `find_images`, like the errors.
    """
    names = list_images(root / below, log)
    return tuple(f"{below}/{name}" for name in names) if below else tuple(names)


@dataclass(frozen=True)
class PhotoSet:
    """Photographs by key, split into train and test.

    Attributes:
        name: name of the data set, such as `"animals"`.
        root: the folder that keys are relative to; None if keys are not files of one folder.
        train: keys of the train photographs.
        test: keys of the test photographs.
        default_subset: default number of train photographs; None for all.

    Raises:
        UserError: If one of the two splits is empty.
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
        """The folder, or the name if there is no folder, for messages."""
        return str(self.root or self.name)

    def path(self, key: str) -> Path:
        """Return the file of the photograph `key`."""
        return Path(self.root or "", key)

    def file_size(self, key: str) -> int:
        """Return the size of the file of the photograph `key` in bytes, 0 if it is missing."""
        try:
            return self.path(key).stat().st_size
        except OSError:
            return 0

    def load_full(self, key: str) -> np.ndarray:
        """Read a photograph at its full size, as uint8 RGB (H, W, 3).

        Raises:
            ImageError: if the file is missing, damaged or not an image.
        """
        return read_rgb(self.path(key))

    def load(self, key: str, size: int) -> np.ndarray:
        """Read a whole photograph, resized to a square; its aspect is not kept, as in the paper.

        Args:
            key: a key of `train` or `test`.
            size: height and width of the result in pixels.

        Returns:
            uint8 RGB, (size, size, 3), resized bilinearly with antialiasing.

        Raises:
            ImageError: if the file is missing, damaged or not an image.
        """
        picture = Image.fromarray(self.load_full(key))
        return np.array(picture.resize((size, size), Image.Resampling.BILINEAR))

    def subset(self, count: int) -> PhotoSet:
        """Return a subset with `count` train photographs, or all; the test photographs stay.

        Each class, which is a folder, has equally many. The subset depends on the names alone, and
        is contained in every larger one.

        Raises:
            UserError: if `count` is below 1.
        """
        if count < 1:
            raise UserError(
                f"A subset of data set '{self.name}' must have at least 1 photograph. "
                f"Received: {count}"
            )
        return replace(self, train=balanced_subset(self.train, count))

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of the sorted keys, their file sizes and their split.

        No file is read: files with the same names and sizes but other pixels have the same
        fingerprint (see `content`). The folder and the order of the keys do not matter.
        """
        digest = hashlib.sha256()
        for split, keys in (("train", self.train), ("test", self.test)):
            for key in sorted(keys, key=canonical):
                size = self.file_size(key)
                digest.update(b"%s\0%s\0%d\0" % (split.encode(), canonical(key), size))
        return digest.hexdigest()

    def content(self) -> str:
        """Return the SHA-256 (hex) of the contents of the files, in the order of their keys.

        Of a file larger than 256 KiB, only the first and last 128 KiB count. Of more than 100,000
        files, only every second, third, ... counts. A missing file counts as empty.
        """
        keys = sorted((*self.train, *self.test), key=canonical)
        paths = list(dict.fromkeys(map(self.path, keys)))  # keys of 'samples' share files
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
    """A cache of photographs at one size, safe to use from several threads.

    When the cache is full, photographs that are not in it are read from disk every time.

    Args:
        photos: the data set.
        size: height and width of every photograph in pixels.
        limit_bytes: size of the cache in bytes.
    """

    def __init__(self, photos: PhotoSet, size: int, limit_bytes: int = 2 * 1024**3) -> None:
        self.photos = photos
        self.size = size
        self.limit_bytes = limit_bytes
        self._kept: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    def load(self, key: str) -> np.ndarray:
        """Return a photograph, uint8 RGB (size, size, 3), from the cache if possible.

        It is read-only, because callers share it. Errors are those of `PhotoSet.load`.
        """
        # Look-ups and reading need no lock: at worst, two threads read the same photograph.
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        photo = self.photos.load(key, self.size)
        photo.setflags(write=False)
        with self._lock:
            # All photographs have the same number of bytes.
            if (len(self._kept) + 1) * photo.nbytes <= self.limit_bytes:
                return self._kept.setdefault(key, photo)
        return photo
