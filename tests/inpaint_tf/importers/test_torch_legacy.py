"""PyTorch's files from before 1.6: the same numbers come out, and nothing in a bad one runs."""

from __future__ import annotations

import pickle
import struct
import time

import numpy as np
import pytest
from layer_harness import random
from weight_files import (
    LEGACY,
    MAGIC_NUMBER,
    PROTOCOL,
    STOP,
    STORAGES,
    encode,
    legacy,
    number,
    numbers,
    pack,
    save_legacy,
    save_torch,
    tensor,
    text,
)

from inpaint_tf.importers.torch_legacy import read_torch_legacy
from inpaint_tf.importers.torch_zip import read_torch
from neuralgym_lite.errors import UserError

ONE_TO_FOUR = np.array([1, 2, 3, 4], "<f4")
FOUR = {"0": ONE_TO_FOUR.tobytes()}
SYSTEM = {"protocol_version": 1001, "little_endian": True}
STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(4)


def four(shape=(4,), strides=(1,), offset=0):
    """Return the opcodes of a tensor of the storage `FOUR`."""
    return tensor("0", 4, shape, strides, offset, rest=LEGACY)


def named(code, name="w"):
    """Return a pickle of a dict with one value."""
    return PROTOCOL + b"}" + text(name) + code + b"s" + STOP


def refuse(path, words=None):
    """Check that a file is refused in one line that names it."""
    with pytest.raises(UserError, match=words) as error:
        read_torch_legacy(path)
    assert str(error.value).startswith(f"'{path}'")
    assert "\n" not in str(error.value)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weights.pth"


# What is read.


@pytest.mark.parametrize("dtype", STORAGES)
def test_every_dtype(file, dtype):
    array = (random(3, 1, 4) * 50).astype(dtype)
    actual = read_torch_legacy(save_legacy(file, {"w": array}, array.itemsize))["w"]
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, array)
    with pytest.raises(ValueError, match="read-only"):
        actual[0] = 0


def test_the_same_as_from_a_zip(file, tmp_path):
    tree = {"net": {"a": random(2, 3), "n": 3}, "list": [random(4, seed=1), None]}
    expected = read_torch(save_torch(tmp_path / "zip.pth", tree))
    actual = read_torch_legacy(save_legacy(file, tree))
    assert list(actual) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array)


def test_views_of_one_storage(file):
    program = PROTOCOL + b"}(" + text("turned") + four((2, 2), (1, 2))
    program += text("last") + four((), (), 3) + b"u" + STOP
    file.write_bytes(legacy(program, FOUR))
    read = read_torch_legacy(file)
    np.testing.assert_array_equal(read["turned"], [[1, 3], [2, 4]])
    assert read["last"] == 4


def short(word):
    """Return the opcode with which Python 2 writes text."""
    return b"U" + bytes([len(word)]) + word.encode()


def test_as_python_2_writes(file):
    where = short("storage") + b"ctorch\nFloatStorage\n" + short("0") + short("cuda:0")
    # A long integer, and an ordered dict made from a list of pairs.
    identifier = b"(" + where + b"\x8a\x01\x04Nt"
    view = b"Q" + b"K\0(K\2K\2t(K\2K\1t\x89N"
    value = b"ctorch._utils\n_rebuild_tensor_v2\n(" + identifier + view + b"tR"
    pairs = b"](](" + short("lin0.weight") + value + b"ee"
    program = PROTOCOL + b"ccollections\nOrderedDict\n" + pairs + b"\x85R" + STOP
    file.write_bytes(legacy(program, FOUR))
    actual = read_torch_legacy(file)
    assert list(actual) == ["lin0.weight"]
    np.testing.assert_array_equal(actual["lin0.weight"], [[1, 2], [3, 4]])


STATE = b"(" + STORAGE + b"NtQ" + number(0) + numbers((2, 2)) + numbers((2, 1)) + b"t"
OLDEST = b"ctorch\nFloatTensor\n)\x81" + STATE + b"b"
PARAMETER = b"ctorch.nn.parameter\nParameter\n"


@pytest.mark.parametrize(
    "code",
    [
        b"ctorch._utils\n_rebuild_tensor\n" + STATE + b"R",
        OLDEST,
        PARAMETER + OLDEST + b"\x85R" + b"\x88\x89N\x87b",
        PARAMETER + b")\x81(" + OLDEST + b"NN\x88\x89tb",
        b"ctorch._utils\n_rebuild_parameter\n" + four((2, 2), (2, 1)) + b"\x88}\x87R",
    ],
    ids=["rebuilt", "blank", "parameter", "blank parameter", "rebuilt parameter"],
)
def test_as_the_first_versions_wrote(file, code):
    file.write_bytes(legacy(named(code), FOUR))
    np.testing.assert_array_equal(read_torch_legacy(file)["w"], [[1, 2], [3, 4]])


def test_parameters_in_a_zip(tmp_path):
    code = b"ctorch._utils\n_rebuild_parameter\n" + tensor("0", 4, (4,), (1,)) + b"\x88}\x87R"
    path = pack(tmp_path / "zip.pth", named(code), FOUR)
    np.testing.assert_array_equal(read_torch(path)["w"], ONE_TO_FOUR)


# What would run code.


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", range(5))
def test_code_is_not_run(file, tmp_path, place):
    sentinel = tmp_path / "it-ran"
    harmful = pickle.dumps(Calls(eval, f"open({str(sentinel)!r}, 'w').close()"), 2)
    pickle.loads(harmful)
    assert sentinel.exists(), "this pickle is harmless and tests nothing"
    sentinel.unlink()
    parts = [pickle.dumps(MAGIC_NUMBER, 2), pickle.dumps(1001, 2), pickle.dumps(SYSTEM, 2)]
    parts += [named(four()), pickle.dumps(["0"], 2)]
    parts[place] = harmful
    file.write_bytes(b"".join(parts) + struct.pack("<q", 4) + FOUR["0"])
    refuse(file, "magic number" if place == 0 else "__builtin__.eval")
    assert not sentinel.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n" + text("true") + b"\x85R",
        b"cos\nsystem\n" + text("true") + b"\x85\x81",
        b"cos\nsystem\n)\x81}" + text("x") + b"Nsb",
        b"(" + text("true") + b"ios\nsystem\n",
        b"ctorch\nload\n" + text("x") + b"\x85R",
        b"ctorch\nFloatTensor.__class__\n)\x81",
        b"ctorch.nn\nParameter\n)\x81",
    ],
)
def test_other_names(file, code):
    file.write_bytes(legacy(named(code), {}))
    refuse(file, "not a tensor|describes no tensor")


# What is no such file, or damaged.


@pytest.mark.parametrize("length", [0, 1, 14, 15, 40])
def test_no_such_format(file, length):
    file.write_bytes(b"\x80\x02" + bytes(length))
    refuse(file, "does not begin with the magic number")


def test_a_zip_is_another_format(file):
    refuse(save_torch(file, {"w": random(2)}), "magic number")


def test_a_version_that_is_not_known(file):
    file.write_bytes(pickle.dumps(MAGIC_NUMBER, 2) + pickle.dumps(1002, 2))
    refuse(file, "version other than 1001")


def test_missing(tmp_path):
    refuse(tmp_path / "none.pth", "No such file")
    refuse(tmp_path, "directory")


def test_truncated_anywhere(file):
    whole = save_legacy(file, {"a": random(2, 3), "b": random(5, seed=1)}).read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        refuse(file)
    file.write_bytes(whole[:-1])
    refuse(file, "truncated")
    file.write_bytes(whole + b"\0")
    refuse(file, "1 bytes are left over")


@pytest.mark.parametrize(
    ("program", "listed", "counts", "words"),
    [
        (named(four()), [], [], "the numbers of 'w' are missing"),
        (named(four()), ["0", "0"], [4, 4], "lists a storage twice"),
        (named(four()), ["1"], [4], "or one that no tensor has"),
        (named(four()), [0], [4], "int where str belongs"),
        (named(four()), {"0": 1}, [4], "dict where list belongs"),
        (named(four()), ["0"], [3], "another length than its tensors say"),
        (named(four()), ["0"], [-1], "another length than its tensors say"),
        (named(four()), ["0"], [1 << 62], "another length than its tensors say"),
        (named(four((5,))), ["0"], [4], "reaches beyond its storage"),
        (named(four((1 << 15, 1 << 15), (0, 0))), ["0"], [4], "reaches beyond its storage"),
        (named(tensor("0", 4, (4,), (1,))), ["0"], [4], "no storage of a tensor"),
        (named(tensor("0", 4, (4,), (1,), rest=numbers((1, 2)))), ["0"], [4], "no storage"),
        (named(PARAMETER + b")\x81"), [], [], "not a tensor"),
        (named(b"ctorch\nFloatTensor\n)\x81"), [], [], "not a tensor"),
        (named(b"ctorch\nFloatTensor\n)\x81)b"), [], [], "a state of 0 parts"),
        (named(b"ctorch\nFloatTensor\n" + number(4) + b"\x85\x81"), [], [], "makes no tensor"),
        # A parameter that is its own content.
        (named(PARAMETER + b")\x81q\1(h\1NN\x88\x89tb"), [], [], "not a tensor"),
    ],
)
def test_impossible_files(file, program, listed, counts, words):
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC_NUMBER, 1001, SYSTEM))
    tail = b"".join(struct.pack("<q", count) + FOUR["0"] for count in counts)
    file.write_bytes(head + program + pickle.dumps(listed, 2) + tail)
    refuse(file, words)


def test_tensors_that_disagree_on_a_storage(file):
    two = text("a") + four() + text("b") + tensor("0", 2, (2,), (1,), rest=LEGACY)
    file.write_bytes(legacy(PROTOCOL + b"}(" + two + b"u" + STOP, FOUR))
    refuse(file, "disagree on the storage '0'")


def test_flipped_bits(file):
    storages = {}
    tree = {"conv": {"weight": random(2, 3), "bias": random(2, seed=1)}, "step": 7}
    program = PROTOCOL + encode(tree, storages, LEGACY) + STOP
    whole = legacy(program, storages)
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(600):
        data = bytearray(whole)
        for place in rng.integers(len(data), size=rng.integers(1, 4)):
            data[place] ^= 1 << rng.integers(8)
        file.write_bytes(data)
        try:
            read += bool(read_torch_legacy(file))
        except UserError as error:
            assert "\n" not in str(error)
    assert 0 < read < 600


def test_one_list_for_very_many_dicts(file):
    pair = b"](" + text("a") + b"Neq\x05"
    pairs = b"](" + pair + b"h\x05" * 20_000 + b"eq\x06"
    program = PROTOCOL + pairs + b"ccollections\nOrderedDict\nq\x07" + b"h\x07h\x06\x85R" * 9000
    file.write_bytes(legacy(program + b".", FOUR))
    begin = time.thread_time()
    refuse(file, "too many steps")
    assert time.thread_time() - begin < 30
