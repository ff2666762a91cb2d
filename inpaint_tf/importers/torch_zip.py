"""Reads PyTorch checkpoints without PyTorch and without executing their pickles.

A checkpoint is a zip archive. Its entry `data.pkl` is a pickle that describes the tensors; the data
of each storage is another entry.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Literal

from inpaint_tf.importers.torch_pickle import (
    MAX_BYTES,
    MAX_PICKLE_BYTES,
    Array,
    Machine,
    RefusedError,
    Storage,
    decode,
    flatten,
    length_in_file,
    printable,
    read_guarded,
    read_views,
)

MAX_DIRECTORY_BYTES = 1 << 20  # about 10,000 storages

_ENTRY = re.compile(r"data\.pkl|byteorder|version|data/\w+|\.\w+(/\w+)*", re.ASCII)


def read_torch(path: str | Path) -> dict[str, Array]:
    """Read the tensors of a file that `torch.save` wrote.

    Dicts and lists may be nested; their keys are joined by dots. Numbers, strings and None are left
    out.

    Args:
        path: a `.pt` or `.pth` file of PyTorch 1.6 or later.

    Returns:
        Name -> read-only array; bfloat16 is converted to float32. In total they take no more memory
        than the size of the file (twice that for bfloat16).

    Raises:
        UserError: If the file is damaged, has another format, or contains anything else.
    """
    return read_guarded(Path(path), _read)


def _read(path: Path) -> dict[str, Array]:
    _check_format(path)
    with zipfile.ZipFile(path) as archive:
        root = _check_entries(archive, path.stat().st_size)
        if archive.getinfo(f"{root}/data.pkl").file_size > MAX_PICKLE_BYTES:
            raise RefusedError(f"has a pickle of more than {MAX_PICKLE_BYTES >> 20} MiB.")
        order = _byte_order(archive, root)
        tensors = dict(flatten(Machine().run(io.BytesIO(archive.read(f"{root}/data.pkl")))))

        def load(name: str, storage: Storage) -> Array:
            entry = f"{root}/data/{storage.key}"
            if entry not in archive.NameToInfo:
                raise RefusedError(f"is damaged: the numbers of '{name}' are missing.")
            expected, actual = length_in_file(storage), archive.getinfo(entry).file_size
            if expected != actual:
                raise RefusedError(
                    f"is damaged: the numbers of '{name}' are {actual} bytes, {expected} expected."
                )
            return decode(storage, archive.read(entry), order)

        return read_views(tensors, load)


def _check_format(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(4)
        # ZipFile would make an object of each entry before they can be counted.
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end:
        length = end[zipfile._ECD_SIZE]  # type: ignore[attr-defined]
        if length > MAX_DIRECTORY_BYTES:
            raise RefusedError(f"lists its entries in {length:,} bytes: no network has so many.")
    elif head.startswith(b"PK"):
        raise RefusedError("is truncated: the zip's directory, at its end, is missing.")
    elif head.startswith(b"\x80"):
        raise RefusedError(
            "is a bare pickle, the format before PyTorch 1.6, which cannot be read without running "
            "it. If you trust it, save it anew with a later version: "
            "torch.save(torch.load(OLD, map_location='cpu'), NEW)."
        )
    else:
        raise RefusedError("is no PyTorch checkpoint: it is not a zip.")


def _check_entries(archive: zipfile.ZipFile, length: int) -> str:
    """Check the entries of the archive, and return the folder that contains them."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    root = names[0].partition("/")[0] if names else ""
    if any(name.startswith((f"{root}/code/", f"{root}/constants.pkl")) for name in names):
        raise RefusedError(
            "is a TorchScript program, not weights alone. Save its weights: "
            "torch.save(torch.jit.load(OLD, map_location='cpu').state_dict(), NEW)."
        )
    for entry in entries:
        folder, _, name = entry.filename.partition("/")
        shown = f"'{printable(entry.filename)}'"
        if folder != root or folder in ("", ".", "..") or not _ENTRY.fullmatch(name):
            raise RefusedError(f"is no PyTorch checkpoint: it has the entry {shown}.")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise RefusedError(
                f"has the compressed entry {shown}, and may be a zip bomb: "
                "PyTorch never compresses."
            )
        if entry.flag_bits & 1:
            raise RefusedError(f"has the encrypted entry {shown}.")
    if len(set(names)) < len(names):
        raise RefusedError("is no PyTorch checkpoint: it has two entries of the same name.")
    total = sum(entry.file_size for entry in entries)
    if total > min(length, MAX_BYTES):
        limit = f"{length:,} bytes long" if total > length else f"limited to {MAX_BYTES:,} bytes"
        raise RefusedError(f"would unpack to {total:,} bytes and is {limit}: a zip bomb?")
    if f"{root}/data.pkl" not in names:
        raise RefusedError("is no PyTorch checkpoint: it has no entry 'data.pkl'.")
    return root


def _byte_order(archive: zipfile.ZipFile, root: str) -> Literal["<", ">"]:
    entry = f"{root}/byteorder"
    order = archive.read(entry) if entry in archive.NameToInfo else b"little"
    if order not in (b"little", b"big"):
        raise RefusedError(f"has the unknown byte order '{printable(order.decode('latin-1'))}'.")
    return "<" if order == b"little" else ">"
