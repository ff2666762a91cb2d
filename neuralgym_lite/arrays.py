"""An `.npz` reader for untrusted files, with limits."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_arrays(path: str | Path, limit: int) -> Arrays:
    """Return all arrays of an `.npz` by name. No code in the file is executed.

    Raises:
        ValueError: if the uncompressed size is over `limit` bytes, or the length of an array is
            not that of its header. Damaged files raise the errors of `zipfile` and NumPy.
    """
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
        if total > limit:
            raise ValueError(f"it would unpack to {total:,} bytes; the limit is {limit:,}")
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as file:
                _check_length(name, file, entry.file_size)
            with archive.open(entry) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _check_length(name: str, file: Any, length: int) -> None:
    """Refuse an array whose length is not that of its header, which NumPy would allocate."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"'{name[:80]}' is of the unknown version {version}")
    shape, _, dtype = _HEADERS[version](file)
    expected = math.prod(shape) * dtype.itemsize
    # NumPy refuses objects itself.
    if dtype.hasobject:
        return
    if min(shape, default=0) < 0 or expected != length - file.tell():
        raise ValueError(
            f"'{name[:80]}' is {length - file.tell():,} bytes long, but its header gives another "
            "length"
        )
