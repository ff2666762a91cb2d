"""Arrays of somebody else: what would fill the memory is refused before it does."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from neuralgym_lite.arrays import read_arrays


def header(shape, version=1):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


def test_what_is_sound_is_read(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b.c": np.int64(3),
        "f": np.eye(3, 2).T,
    }
    np.savez_compressed(path, **arrays)
    read = read_arrays(path, 1 << 12)
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (header("(1099511627776,)"), "'a' is 0 bytes long"),
        (header("(4294967296,)") + bytes(100), "'a' is 100 bytes long"),
        (header("(" + "9" * 4000 + ",)"), "'a' is 0 bytes long"),
        (header("(-5, -5)") + bytes(100), "'a' is 100 bytes long"),
        (header("(1,)") + bytes(8), "'a' is 8 bytes long"),
        (header("(1,)", version=9) + bytes(4), "version"),
        (b"PK", "magic"),
        (bytes(1 << 24), "unpack to 16,777,216 bytes; the limit is 1,048,576"),
    ],
)
def test_refusals(tmp_path, data, words):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", data)
    tracemalloc.start()
    with pytest.raises(ValueError, match=words):
        read_arrays(path, 1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
