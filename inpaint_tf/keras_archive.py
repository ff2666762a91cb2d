"""A `.keras` file of anybody, as an archive: what is in it is checked before it is read.

What the file unpacks to is bounded, and its weights lie in it as they are. Keras is not needed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from neuralgym_lite import strict_json

MAX_BYTES = 4 << 30
MAX_CONFIG_BYTES = 1 << 16
# Weights hardly shrink: those of the package, rounded to float16, to six tenths.
_MAX_RATIO = 16
_SMALL = 16 << 20
_MAX_OBJECTS = 1_000
_MAX_ATTRIBUTES = 8
_MAX_ATTRIBUTE_BYTES = 4096

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_ENTRIES = {CONFIG, WEIGHTS, "metadata.json"}
# Parts of the refinement network that had other names in files saved before version 0.2.
_REFINEMENT = "layers/refinement_network"
_RENAMED = {
    "hallucinate": "dilated_encoder",
    "describe": "attention_encoder",
    "borrow": "attention_decoder",
    "merge": "decoder",
}


class RefusedError(Exception):
    """Why a file is not read; the message goes on where the file's name stands."""


def read_config(archive: zipfile.ZipFile) -> Any:
    """Check what lies in a `.keras` file, and return the contents of its config.

    Raises:
        RefusedError: if it is no such file, or unpacks to too much.
        ValueError: if the config is no JSON.
    """
    assert archive.filename is not None  # noqa: S101
    _check_entries(archive, Path(archive.filename).stat().st_size)
    return strict_json.parse(archive.read(CONFIG), MAX_CONFIG_BYTES)


def read_weights(archive: zipfile.ZipFile, least: int = 0) -> bytes:
    """Return the HDF5 file in a `.keras` file, of at least so many bytes of weights.

    Raises:
        RefusedError: if it refers to other files, unpacks, or has fewer bytes of weights.
    """
    weights = archive.read(WEIGHTS)
    _check_weights(weights, least)
    return weights


def with_current_names(weights: bytes) -> bytes:
    """Return an HDF5 file in which renamed parts of a network have their new names."""
    buffer = io.BytesIO(weights)
    with h5py.File(buffer, "r+") as file:
        refinement = file.get(_REFINEMENT, {})
        earlier = [name for name in _RENAMED if name in refinement]
        for name in earlier:
            refinement.move(name, _RENAMED[name])
    return buffer.getvalue() if earlier else weights


def _check_entries(archive: zipfile.ZipFile, length: int) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    for name in names:
        if name not in _ENTRIES or names.count(name) > 1:
            odd = "a second" if name in _ENTRIES else "the odd"
            raise RefusedError(f"is no Keras model of ours: it has {odd} entry {name[:80]!a}.")
    for name in (CONFIG, WEIGHTS):
        if name not in names:
            raise RefusedError(f"is no Keras model: it has no entry '{name}'.")
    if archive.getinfo(CONFIG).file_size > MAX_CONFIG_BYTES:
        raise RefusedError(f"is no Keras model of ours: its {CONFIG} is too long.")
    total = sum(entry.file_size for entry in entries)
    if total > min(MAX_BYTES, max(_SMALL, _MAX_RATIO * length)):
        raise RefusedError(
            f"would unpack from {length:,} bytes to {total:,}, which weights never do: a zip bomb?"
        )


def _check_weights(data: bytes, least: int) -> None:
    """Refuse an HDF5 file that refers to others, unpacks, or has fewer bytes of weights."""
    total = 0
    with h5py.File(io.BytesIO(data), "r") as file:
        for count, (name, item) in enumerate(_objects(file)):
            if count == _MAX_OBJECTS:
                raise RefusedError(f"has more than {_MAX_OBJECTS:,} objects among its weights.")
            _check_attributes(name, item)
            if isinstance(item, h5py.Dataset):
                total += _check_array(name, item)
    if not least <= total <= len(data):
        raise RefusedError(
            f"has {total:,} bytes of weights in {len(data):,}, and its network takes {least:,} or "
            "more."
        )


def _objects(group: h5py.Group) -> Iterator[tuple[str, Any]]:
    """Yield the objects that lie in a file, and their names; of loops without end."""
    waiting = [group]
    while waiting:
        group = waiting.pop()
        yield group.name or "/", group
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise RefusedError(
                    f"has a link in place of the weights {name[:80]!a}. It is not followed."
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append(item)
            else:
                yield item.name, item


def _check_attributes(name: str, item: Any) -> None:
    count = h5py.h5a.get_num_attrs(item.id)
    if count > _MAX_ATTRIBUTES or any(
        h5py.h5a.open(item.id, index=index).get_storage_size() > _MAX_ATTRIBUTE_BYTES
        for index in range(count)
    ):
        raise RefusedError(f"has notes of an odd length on the weights {name[-80:]!a}.")


def _check_array(name: str, item: Any) -> int:
    """Return how many bytes an array takes, all of which lie in the file as they are."""
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiuV":
        raise RefusedError(f"has {name[:80]!a} among its weights, which is no array of numbers.")
    layout = item.id.get_create_plist()
    plain = layout.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    stored = item.id.get_storage_size()
    if not plain or layout.get_external_count() or stored != item.size * item.dtype.itemsize:
        raise RefusedError(
            f"has the weights {name[:80]!a} compressed, elsewhere or not at all, and not as Keras "
            "saves them."
        )
    return int(stored)
