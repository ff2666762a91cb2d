"""Files of safetensors: the numbers come out, and a bad file is refused in one line."""

from __future__ import annotations

import json
import struct
import time

import numpy as np
import pytest
from layer_harness import random
from safetensors.numpy import save_file

from inpaint_tf.importers.safetensors_file import read_safetensors
from neuralgym_lite.errors import UserError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weights.safetensors"


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def one(dtype="F32", shape=(2,), end=8, name="w"):
    return {name: {"dtype": dtype, "shape": list(shape), "data_offsets": [0, end]}}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8", "bool"])
def test_every_dtype(file, dtype):
    array = (random(3, 1, 4) * 50).astype(dtype)
    save_file({"net.w": array, "one": array[0, 0, :1]}, file, metadata={"format": "pt"})
    read = read_safetensors(file)
    assert (list(read), read["net.w"].dtype) == (["net.w", "one"], dtype)
    np.testing.assert_array_equal(read["net.w"], array)


def test_bfloat16(file):
    write(file, one("BF16", end=4), np.array([1.5, -2], "f4").view("u2")[1::2].tobytes())
    np.testing.assert_array_equal(read_safetensors(file)["w"].astype("f4"), [1.5, -2])


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        (one(shape=(-2,)), bytes(8), "is damaged"),
        (one(shape=(2**63, 2**63)), bytes(8), "is damaged"),
        (one(shape=(1,) * 1000 + (2,)), bytes(8), "is damaged"),
        (one(shape=(1 << 40,), end=1 << 42), bytes(8), "is damaged"),
        (one(), bytes(4), "is damaged"),
        ({**one(), **one(name="b")}, bytes(8), "is damaged"),
        (one("F8_E4M3", end=2), bytes(2), "the tensor 'w' of the type F8_E4M3"),
        (one(name="x" * 300), bytes(8), "odd tensor name"),
        (one(name="a\nb"), bytes(8), "odd tensor name"),
        (b"[" * 5000, b"", "is damaged"),
        (b"[" * (1 << 23), b"", "header of 8,388,608 bytes"),
    ],
)
def test_refusals(file, header, data, words):
    write(file, header, data)
    begin = time.thread_time()
    with pytest.raises(UserError, match=f"^'{file}' .*{words}") as error:
        read_safetensors(file)
    assert "\n" not in str(error.value)
    assert time.thread_time() - begin < 10


@pytest.mark.parametrize("data", [b"", b"\1", b"\xff" * 8, b"PK\3\4" * 9])
def test_no_such_file(file, data):
    file.write_bytes(data)
    with pytest.raises(UserError, match=f"^'{file}' "):
        read_safetensors(file)
