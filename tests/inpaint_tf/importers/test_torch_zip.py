"""PyTorch's files: the same numbers come out, and nothing in a bad one ever runs."""

from __future__ import annotations

import pickle
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from layer_harness import random
from weight_files import (
    ORDERED_DICT,
    PROTOCOL,
    REBUILD,
    STOP,
    STORAGES,
    encode,
    number,
    numbers,
    pack,
    save_torch,
    tensor,
    text,
)

from inpaint_tf.importers.torch_pickle import MAX_DEPTH
from inpaint_tf.importers.torch_zip import read_torch
from neuralgym_lite.errors import UserError

FOUR = struct.pack("<4f", 1, 2, 3, 4)


def refuse(path, words=None):
    """Check that a file is refused in one line that names it, and return the line."""
    with pytest.raises(UserError, match=words) as error:
        read_torch(path)
    line = str(error.value)
    assert line.startswith(f"'{path}'")
    assert "\n" not in line
    assert line.isascii()
    return line


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weights.pt"


@pytest.fixture
def sentinel(tmp_path):
    """A file that appears only if code of a checkpoint has run."""
    path = tmp_path / "it-ran"
    yield path
    assert not path.exists()


# What is read.


@pytest.mark.parametrize("dtype", STORAGES)
def test_every_dtype(file, dtype):
    array = (random(3, 1, 4) * 50).astype(dtype)
    actual = read_torch(save_torch(file, {"w": array}))["w"]
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, array)
    with pytest.raises(ValueError, match="read-only"):
        actual[0] = 0


def test_names_of_nested_parts(file):
    arrays = [random(2, seed=i) for i in range(3)]
    tree = {"net": {"a": arrays[0], "epoch": 3, "note": "hi", "none": None}}
    tree["list"] = [arrays[1], {"b": arrays[2]}]
    read = read_torch(save_torch(file, tree))
    assert list(read) == ["net.a", "list.0", "list.1.b"]
    for actual, expected in zip(read.values(), arrays, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_bfloat16_is_widened(file):
    array = random(2, 3)
    halves = (array.view("u4") >> 16).astype("u2")
    program = tensor("0", 6, (2, 3), (3, 1), storage="BFloat16Storage")
    pack(file, PROTOCOL + b"}" + text("w") + program + b"s.", {"0": halves.tobytes()})
    expected = (array.view("u4") & 0xFFFF0000).view("f4")
    np.testing.assert_array_equal(read_torch(file)["w"], expected)


def test_big_endian(file):
    program = b"}" + text("w") + tensor("0", 4, (4,), (1,)) + b"s."
    data = np.array([1, 2, 3, 4], ">f4").tobytes()
    pack(file, program, {"0": data}, {"byteorder": b"big"})
    np.testing.assert_array_equal(read_torch(file)["w"], [1, 2, 3, 4])
    pack(file, program, {"0": data}, {"byteorder": b"mixed"})
    refuse(file, "unknown byte order 'mixed'")


def test_views_of_one_storage(file):
    items = {
        "turned": tensor("0", 6, (3, 2), (1, 3)),
        "part": tensor("0", 6, (2, 2), (3, 1), offset=1),
        "scalar": tensor("0", 6, (), (), offset=5),
        "empty": tensor("0", 6, (0, 2), (2, 1)),
    }
    program = b"".join(text(name) + code for name, code in items.items())
    data = np.arange(6, dtype="f4")
    read = read_torch(pack(file, ORDERED_DICT + b"(" + program + b"u.", {"0": data.tobytes()}))
    grid = data.reshape(2, 3)
    np.testing.assert_array_equal(read["turned"], grid.T)
    np.testing.assert_array_equal(read["part"], grid[:, 1:])
    assert read["scalar"] == 5
    assert read["empty"].shape == (0, 2)


def test_metadata_of_a_state_dict_is_left_out(file):
    storages = {}
    program = encode({"w": random(2)}, storages)
    metadata = b"}" + text("_metadata") + encode({"": {"version": 1}}, {}) + b"s"
    assert list(read_torch(pack(file, program + metadata + b"b.", storages))) == ["w"]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_later_protocols(file, protocol):
    program = pickle.dumps({"epoch": 2**40, "rate": 0.5, "names": [("a", None, True)]}, protocol)
    assert read_torch(pack(file, program, {})) == {}


# What would run code. Each is shown to run it when unpickled, then refused.


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touch(sentinel):
    return f"open({str(sentinel)!r}, 'w').close()"


def by_build(sentinel):
    """Pickle an object whose `__setstate__` is another function: BUILD calls it."""
    make = b"ctypes\nSimpleNamespace\n)R}" + text("__setstate__") + b"c__builtin__\neval\nsb"
    return make + text(touch(sentinel)) + b"b."


def harmful(sentinel):
    """Return pickles that would write the sentinel, and the name that each refers to."""
    import os

    evaluate = Calls(eval, touch(sentinel))
    system = Calls(os.system, f"touch {sentinel}")
    run = text(touch(sentinel))
    return {
        "reduce": (pickle.dumps(system, 2), f"{os.name}.system"),
        "eval": (pickle.dumps(evaluate, 2), "__builtin__.eval"),
        "stack global": (pickle.dumps(evaluate, 4), "builtins.eval"),
        "nested": (pickle.dumps({"a": [1, {"b": (evaluate,)}]}, 4), "builtins.eval"),
        "as a key": (pickle.dumps({evaluate: 1}, 4), "builtins.eval"),
        "in metadata": (ORDERED_DICT + pickle.dumps(evaluate, 2)[2:-1] + b"b.", "__builtin__.eval"),
        "build": (by_build(sentinel), "types.SimpleNamespace"),
        "inst": (b"(" + run + b"i__builtin__\neval\n.", "opcode INST"),
        "obj": (b"(c__builtin__\neval\n" + run + b"o.", "__builtin__.eval"),
        "protocol 0": (pickle.dumps(evaluate, 0), "__builtin__.eval"),
        "before the end": (b"c__builtin__\neval\n(" + run + b"tR0}.", "__builtin__.eval"),
    }


@pytest.mark.parametrize("kind", list(harmful("")))
def test_code_is_not_run(file, sentinel, kind):
    program, name = harmful(sentinel)[kind]
    try:
        pickle.loads(program)
    except TypeError:
        assert kind == "in metadata"  # which fails after it has run
    assert sentinel.exists(), "this pickle is harmless and tests nothing"
    sentinel.unlink()

    line = refuse(pack(file, program, {}))
    assert name in line
    # The same, in the place of a layer's weights.
    body = program[2:-1] if program.startswith(b"\x80") else program[:-1]
    refuse(pack(file, PROTOCOL + b"}" + text("conv1.weight") + body + b"s.", {}))


@pytest.mark.parametrize(
    "name",
    ["torch.load", "torch.hub.load", "torch._utils._rebuild_tensor", "collections.Counter"],
)
def test_other_names_of_the_same_modules(file, name):
    module, _, attribute = name.rpartition(".")
    call = f"c{module}\n{attribute}\n)R.".encode()
    refuse(pack(file, call, {}), f"refers to `{name}`, which is not a tensor")


@pytest.mark.parametrize(
    "name", ["torch.FloatStorage.__class__", "collections.OrderedDict.fromkeys"]
)
def test_attributes_of_known_names(file, name):
    module, _, attribute = name.partition(".")
    program = b"\x80\x04\x8c" + bytes([len(module)]) + module.encode()
    program += b"\x8c" + bytes([len(attribute)]) + attribute.encode() + b"\x93)R."
    refuse(pack(file, program, {}), "which is not a tensor")


def test_a_name_cannot_forge_a_second_line(file):
    refuse(pack(file, b"\x80\x04" + text("os\x1b[2K\nDone") + text("x") + b"\x93.", {}), r"\\n")


# Archives that are none, or too large.


def test_truncated(file):
    whole = save_torch(file, {"w": random(300)}).read_bytes()
    for length in (2, 50, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        refuse(file, "truncated")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pickle.dumps({"a": 1}, 2), r"bare pickle.*before PyTorch 1\.6.*torch\.save\(torch\.load"),
        (b"\x89HDF", "not a zip"),
        (b"", "not a zip"),
    ],
)
def test_no_zip(file, data, words):
    file.write_bytes(data)
    refuse(file, words)


def test_a_legacy_file_with_code(file, sentinel):
    file.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + harmful(sentinel)["eval"][0])
    refuse(file, "bare pickle")


def test_zip_bomb(file):
    program = b"}" + text("w") + tensor("0", 1 << 22, (1 << 22,), (1,)) + b"s."
    pack(file, program, {"0": bytes(1 << 24)}, compression=zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 1 << 16
    refuse(file, "compressed.*zip bomb")


def test_zip_bomb_of_overlapping_entries(file):
    program = b"}" + text("w") + tensor("0", 4, (4,), (1,)) + b"s."
    pack(file, program, {"0": bytes(1 << 20)})
    whole = file.read_bytes()
    end = whole.rfind(b"PK\5\6")
    start = struct.unpack("<I", whole[end + 16 : end + 20])[0]
    # Each copy of the last record is another entry of the same megabyte.
    record = whole[whole.rfind(b"PK\1\2") : end]
    copies = b"".join(record.replace(b"data/0", f"data/{i}".encode()) for i in range(1, 10))
    tail = bytearray(whole[end:])
    for field, width, value in ((8, "<H", 13), (10, "<H", 13), (12, "<I", end - start)):
        struct.pack_into(width, tail, field, value + (len(copies) if field == 12 else 0))
    file.write_bytes(whole[:end] + copies + tail)
    refuse(file, "would unpack to 10,.*zip bomb")


def test_torchscript(file):
    code = {"code/__torch__/net.py": b"def forward(self): ...", "constants.pkl": b"."}
    refuse(pack(file, b"}.", {}, code), "TorchScript")


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "data/../../x", "run.py", ".a/../b"])
def test_odd_entries(file, name):
    refuse(pack(file, b"}.", {}, {name: b"x"}), "entry 'weights/")


def test_another_archive(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("letter.txt", "hello")
    refuse(file, "no PyTorch checkpoint: it has the entry 'letter.txt'")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights/version", "3")
    refuse(file, "no entry 'data.pkl'")
    with zipfile.ZipFile(file, "w"):
        pass
    refuse(file, "no PyTorch checkpoint")


def test_missing(tmp_path):
    refuse(tmp_path / "none.pt", "No such file")


# Pickles that describe no tensors, or impossible ones.


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((5,), (1,), 0),
        ((4,), (1,), 1),
        ((2, 2), (3, 1), 0),
        ((2,), (1 << 30,), 0),
        ((1 << 15, 1 << 15), (0, 0), 0),
        ((-1,), (1,), 0),
        ((2,), (-1,), 3),
        ((2,), (1,), -1),
        ((2, 2), (1,), 0),
        ((1,) * 100, (1,) * 100, 0),
        ((0, 1 << 30, 1 << 30, 1 << 30), (0, 0, 0, 0), 0),
    ],
)
def test_strides_beyond_the_storage(file, shape, strides, offset):
    program = b"}" + text("w") + tensor("0", 4, shape, strides, offset) + b"s."
    refuse(pack(file, program, {"0": FOUR}), "is damaged")


@pytest.mark.parametrize(
    ("code", "storages", "words"),
    [
        (tensor("0", 4, (4,), (1,)), {"0": FOUR[:-1]}, "'w' are 15 bytes, 16 expected"),
        (tensor("0", 4, (4,), (1,)), {}, "the numbers of 'w' are missing"),
        (tensor("0", 4, (4,), (1,), storage="QInt8Storage"), {}, "`torch.QInt8Storage`"),
        (text("module") + b"Q", {}, "no storage"),
        (b"(" + text("module") + b"NNNNtQ", {}, "no storage"),
        (b"(" + text("storage") + ORDERED_DICT + b"NNNtQ", {}, "dict where global belongs"),
        (REBUILD + b"(" + number(1) * 6 + b"tR", {}, "int where storage belongs"),
        (REBUILD + b")R", {}, "0 arguments"),
        (REBUILD, {}, "not a tensor"),
        (b"ctorch\nFloatStorage\n)R", {}, "calls `torch.FloatStorage`"),
        (b"]}" + text("a") + b"Nsb", {}, "list where dict belongs"),
        (b"}" + numbers((1, 2)) + b"Ns", {}, "key of the type tuple"),
        (b"h\x07", {}, "is damaged"),
        (b"tt", {}, "is damaged"),
        (b"R", {}, "str where tuple belongs"),
        (b"\x8a\xff", {}, "is damaged"),
        (b"X\xff\xff\xff\x7fabc", {}, "is damaged"),
        (b"X\1\0\0\0\xff", {}, "is damaged"),
    ],
)
def test_pickles_of_no_tensors(file, code, storages, words):
    refuse(pack(file, b"}" + text("w") + code + b"s.", storages), words)


def test_a_pickle_without_end(file):
    refuse(pack(file, b"}", {}), "no end")


def test_tensors_that_disagree_on_a_storage(file):
    two = text("a") + tensor("0", 4, (4,), (1,))
    two += text("b") + tensor("0", 2, (2,), (1,), storage="DoubleStorage")
    refuse(pack(file, b"}(" + two + b"u.", {"0": FOUR}), "'b' and another tensor disagree")


def test_endless_and_exponential_structures(file):
    itself = b"}q\0" + text("a") + b"h\0s."
    refuse(pack(file, itself, {}), "nested too deeply")
    # Each list holds the one before a thousand times.
    doubled = b"]q\0" + b"".join(
        b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 999 + b"eq" + bytes([i + 1])
        for i in range(MAX_DEPTH - 2)
    )
    refuse(pack(file, doubled + b".", {}), "too many parts")
    # Hashing this tuple would take 2**200 steps.
    tuples = b")q\0" + b"".join(b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(200))
    refuse(pack(file, b"}" + tuples + b"Ns.", {}), "key of the type tuple")


HUGE = b"\x8a\xff" + b"\x7f" * 255  # an integer of 255 bytes


def of_shape(shape):
    """Return a pickle of a tensor, of which the opcodes of shape and strides are given."""
    where = text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(4)
    arguments = b"((" + where + b"tQ" + number(0) + shape + shape + b"\x89" + ORDERED_DICT + b"t"
    return PROTOCOL + b"}" + text("w") + REBUILD + arguments + b"Rs."


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (of_shape(b"(" + HUGE * 7000 + b"t"), "'.*' is damaged: a tensor has 7,000 dimensions"),
        (of_shape(b"(" + HUGE * 64 + b"t"), "beyond any file"),
        (of_shape(b"(" + b"K\xff" * 1_000_000 + b"t"), "too many steps"),
        (PROTOCOL + b")" * 4_000_000 + b".", "too many steps"),
        (PROTOCOL + b"(" * 4_000_000 + b".", "too many steps"),
    ],
)
def test_pickles_that_would_go_on_and_on(file, program, words):
    pack(file, program, {"0": FOUR})
    begin = time.thread_time()
    refuse(file, words)
    assert time.thread_time() - begin < 30  # one or two; without a bound, minutes


def test_far_too_many_entries_are_not_listed(file):
    pack(file, b"}.", dict.fromkeys(map(str, range(20_000)), b""))
    begin = time.thread_time()
    refuse(file, "lists its entries in 1,.* bytes: no network has so many")
    assert time.thread_time() - begin < 0.5


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "x" * 300])
def test_odd_names(file, name):
    program = b"}" + text(name) + tensor("0", 4, (4,), (1,)) + b"s."
    refuse(pack(file, program, {"0": FOUR}), "odd tensor name")


# Anything else.


def small_tree():
    return {"conv": {"weight": random(2, 3), "bias": random(2, seed=1)}, "steps": [1, "two", None]}


def read_or_refuse(path):
    try:
        return read_torch(path)
    except UserError as error:
        assert "\n" not in str(error)
        return None


def test_flipped_bits_of_a_file(file):
    whole = save_torch(file, small_tree()).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.integers(1, 4)):
            data[place] ^= 1 << rng.integers(8)
        file.write_bytes(data)
        read_or_refuse(file)


def test_flipped_bits_of_a_pickle(file):
    # With the sum of the zip made right again, so that the pickle is read.
    storages = {}
    program = PROTOCOL + encode(small_tree(), storages) + STOP
    rng = np.random.default_rng(1)
    read = 0
    for _ in range(500):
        data = bytearray(program)
        for place in rng.integers(len(data), size=rng.integers(1, 4)):
            data[place] ^= 1 << rng.integers(8)
        read += read_or_refuse(pack(file, bytes(data), storages)) is not None
    assert 0 < read < 500


def test_truncated_pickles(file):
    storages = {}
    program = PROTOCOL + encode(small_tree(), storages) + STOP
    for length in range(len(program)):
        refuse(pack(file, program[:length], storages))


def test_published_files(golden):
    for path in sorted(Path(golden, "checkpoint_ngf8").glob("*_*.pt")):
        arrays = read_torch(path)
        assert all(array.dtype == "float32" for array in arrays.values())
        assert sum(array.nbytes for array in arrays.values()) < path.stat().st_size
