"""Checks the index of a TensorFlow checkpoint, because a damaged index can crash TensorFlow.

An index is a sorted table in the format of LevelDB: blocks of keys and values, a block that lists
them, and a footer. TensorFlow aborts the process, without an exception, at an invalid shape.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from tensorflow.core.protobuf import tensor_bundle_pb2

MAX_BYTES = 4 << 20
MAX_ENTRIES = 10_000
_MAX_KEY = 1000
_MAX_RANK = 8
_MAX_NUMBERS = 1 << 40
_MAX_SHARDS = 1000
_FOOTER = 48
_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_TRAILER = 5  # bytes: compression type and checksum


def check_index(path: Path) -> None:
    """Check that TensorFlow can read an index safely.

    Args:
        path: the `.index` file.

    Raises:
        ValueError: If it cannot; one line, without the name of the file.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"its index is longer than {MAX_BYTES:,} bytes")
    if len(data) < _FOOTER or not data.endswith(_MAGIC):
        raise ValueError("its index is cut or is none")
    at = len(data) - _FOOTER
    for _ in range(2):  # the handle of the meta-index block, which is not used
        _, at = _varint(data, at)
    count = 0
    for _, handle in _rows(_block(data, data[at:])):
        for key, value in _rows(_block(data, handle)):
            count += 1
            if count > MAX_ENTRIES:
                raise ValueError(f"its index has more than {MAX_ENTRIES:,} tensors")
            _check_entry(key, value) if key else _check_header(value)


def _check_header(value: bytes) -> None:
    header = tensor_bundle_pb2.BundleHeaderProto.FromString(value)
    if not 0 < header.num_shards <= _MAX_SHARDS:
        raise ValueError(f"its index has {header.num_shards} files of numbers")


def _check_entry(key: bytes, value: bytes) -> None:
    entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
    name = ascii(key.decode("utf-8", "replace"))
    sides = [side.size for side in entry.shape.dim]
    if entry.slices or entry.shape.unknown_rank or len(sides) > _MAX_RANK:
        raise ValueError(f"{name} is in parts, or has {len(sides)} dimensions")
    # A dimension of 0 would make the product 0 whatever the others are.
    if min(sides, default=0) < 0 or math.prod(max(side, 1) for side in sides) > _MAX_NUMBERS:
        raise ValueError(f"{name} has the shape {sides}")


def _block(data: bytes, handle: bytes) -> bytes:
    """Return the block that a handle points to."""
    start, at = _varint(handle, 0)
    length, _ = _varint(handle, at)
    if start + length + _TRAILER > len(data) or data[start + length] != 0:
        raise ValueError("a block of its index is missing or compressed")
    return data[start : start + length]


def _rows(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values; a key may share a prefix with the one before it."""
    count = struct.unpack("<I", block[-4:])[0]
    at, end, key = 0, len(block) - 4 - 4 * count, b""
    if end < 0:
        raise ValueError("a block of its index is cut")
    # TensorFlow may start to read at any of these offsets.
    restarts, starts = set(struct.unpack(f"<{count}I", block[end:-4])), {0}
    while at < end:
        starts.add(at)
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or shared + own > _MAX_KEY or at + own + length > end:
            raise ValueError("a key of its index is too long")
        key = key[:shared] + block[at : at + own]
        at += own + length
        yield key, block[at - length : at]
    if not restarts <= starts:
        raise ValueError("a block of its index has rows between rows")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        value |= (data[at + place] & 127) << 7 * place
        if data[at + place] < 128:
            return value, at + place + 1
    raise ValueError("a number of its index has no end")
