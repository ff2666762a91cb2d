"""PyTorch's checkpoints, read without PyTorch and without running anything that is in them.

A checkpoint is a zip archive. Its `data.pkl` is a pickle that says which tensors there are; their
numbers lie beside it, one entry for each storage. A pickle is a program, and Python's reader calls
whatever function it names. The reader here knows two names, the ordered dict and PyTorch's way to
describe a tensor, and looks neither of them up: it has nothing to call.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError

MAX_BYTES = 4 << 30
MAX_PICKLE_BYTES = 4 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 8
MAX_NAME = 200

_ENTRY = re.compile(r"data\.pkl|byteorder|version|data/\w+|\.\w+(/\w+)*", re.ASCII)
_DTYPES = {
    "torch.BFloat16Storage": "u2",
    "torch.BoolStorage": "u1",
    "torch.ByteStorage": "u1",
    "torch.CharStorage": "i1",
    "torch.DoubleStorage": "f8",
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.IntStorage": "i4",
    "torch.LongStorage": "i8",
    "torch.ShortStorage": "i2",
}
_DICT = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS_AND_TEXT = {
    "BINFLOAT",
    "BININT",
    "BININT1",
    "BININT2",
    "BINUNICODE",
    "LONG1",
    "SHORT_BINUNICODE",
}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OTHERS = {
    "APPEND",
    "APPENDS",
    "BINGET",
    "BINPERSID",
    "BINPUT",
    "BUILD",
    "EMPTY_DICT",
    "EMPTY_LIST",
    "FRAME",
    "GLOBAL",
    "LONG_BINGET",
    "LONG_BINPUT",
    "MARK",
    "MEMOIZE",
    "PROTO",
    "REDUCE",
    "SETITEM",
    "SETITEMS",
    "STACK_GLOBAL",
    "STOP",
    "TUPLE",
}
_ALLOWED = _OTHERS | _NUMBERS_AND_TEXT | set(_CONSTANTS) | set(_TUPLES)
_OPERATIONS = {operation.code: operation for operation in pickletools.opcodes}

Array = NDArray[Any]


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _Storage:
    type_name: str
    key: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _RefusedError(Exception):
    """Why a file is not read; the message goes on where the file's name stands."""


def read_torch(path: str | Path) -> dict[str, Array]:
    """Read the tensors of a file that `torch.save` wrote.

    Dicts and lists may be nested; their keys are joined by dots. Numbers, text and None among them
    are left out.

    Args:
        path: a `.pt` or `.pth` file, of PyTorch 1.6 or later.

    Returns:
        Name to array, which may not be written to; bfloat16 is widened to float32. Together they
        take no more memory than the file is long (twice that for bfloat16).

    Raises:
        UserError: if it is damaged, of another format, or holds anything else.
    """
    path = Path(path)
    try:
        return _read(path)
    except _RefusedError as refusal:
        raise UserError(f"'{path}' {refusal}") from None
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror or error}.") from None
    except Exception as error:  # zipfile and pickletools answer damage with nearly any exception
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"'{path}' is damaged: {_printable(reason)}.") from error


def _read(path: Path) -> dict[str, Array]:
    _check_format(path)
    with zipfile.ZipFile(path) as archive:
        root = _check_entries(archive, path.stat().st_size)
        if archive.getinfo(f"{root}/data.pkl").file_size > MAX_PICKLE_BYTES:
            raise _RefusedError(f"has a pickle of more than {MAX_PICKLE_BYTES >> 20} MiB.")
        tensors = dict(_flatten(_Machine().run(archive.read(f"{root}/data.pkl"))))
        storages = _Storages(archive, root)
        return {name: storages.view(name, tensor) for name, tensor in tensors.items()}


def _check_format(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(4)
    if zipfile.is_zipfile(path):
        return
    if head.startswith(b"PK"):
        raise _RefusedError("is truncated: the zip's directory, at its end, is missing.")
    if head.startswith(b"\x80"):
        raise _RefusedError(
            "is a bare pickle, the format before PyTorch 1.6, which cannot be read without running "
            "it. If you trust it, save it anew with a later version: "
            "torch.save(torch.load(OLD, map_location='cpu'), NEW)."
        )
    raise _RefusedError("is no PyTorch checkpoint: it is not a zip.")


def _check_entries(archive: zipfile.ZipFile, n_bytes: int) -> str:
    """Return the folder that all entries are in."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    root = names[0].partition("/")[0] if names else ""
    if any(name.startswith((f"{root}/code/", f"{root}/constants.pkl")) for name in names):
        raise _RefusedError(
            "is a TorchScript program, not weights alone. Save its weights: "
            "torch.save(torch.jit.load(OLD, map_location='cpu').state_dict(), NEW)."
        )
    for entry in entries:
        folder, _, name = entry.filename.partition("/")
        if folder != root or folder in ("", ".", "..") or not _ENTRY.fullmatch(name):
            raise _RefusedError(
                f"is no PyTorch checkpoint: it has the entry '{_printable(entry.filename)}'."
            )
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise _RefusedError(
                f"has the compressed entry '{_printable(entry.filename)}', and may be a zip bomb: "
                "PyTorch never compresses."
            )
        if entry.flag_bits & 1:
            raise _RefusedError(f"has the encrypted entry '{_printable(entry.filename)}'.")
    if len(set(names)) < len(names):
        raise _RefusedError("is no PyTorch checkpoint: it has two entries of the same name.")
    total = sum(entry.file_size for entry in entries)
    if total > min(n_bytes, MAX_BYTES):
        limit = f"{n_bytes:,} bytes long" if total > n_bytes else f"limited to {MAX_BYTES:,} bytes"
        raise _RefusedError(f"would unpack to {total:,} bytes and is {limit}: a zip bomb?")
    if f"{root}/data.pkl" not in names:
        raise _RefusedError("is no PyTorch checkpoint: it has no entry 'data.pkl'.")
    return root


class _Machine:
    """Runs the opcodes of which `torch.save` makes a state dict; refuses all others.

    What it can make are dicts, lists, tuples, numbers, text, None, and descriptions of tensors.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def run(self, program: bytes) -> Any:
        for name, argument in _operations(program):
            if name == "STOP":
                return self.stack.pop()
            self.step(name, argument)
        raise _RefusedError("is damaged: its pickle has no end.")

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _NUMBERS_AND_TEXT:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            stack.append(self.pop(_TUPLES[name]))
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if name == "EMPTY_DICT" else [])
        elif name == "MARK":
            self.below.append(stack)
            self.stack = []
        elif name == "TUPLE":
            values = self.pop_mark()
            self.stack.append(tuple(values))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in ("APPEND", "APPENDS"):
            values = [stack.pop()] if name == "APPEND" else self.pop_mark()
            _expect(self.stack[-1], list).extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = list(self.pop(2)) if name == "SETITEM" else self.pop_mark()
            _set_items(_expect(self.stack[-1], dict), values)
        elif name == "GLOBAL":
            stack.append(_find(argument.replace(" ", ".")))
        elif name == "STACK_GLOBAL":
            stack.append(_find(".".join(_expect(part, str) for part in self.pop(2))))
        elif name == "REDUCE":
            function, arguments = self.pop(2)
            stack.append(_call(function, _expect(arguments, tuple)))
        elif name == "BUILD":
            # A state dict's `_metadata`, versions of layers, is of no use here.
            _expect(stack.pop(), dict)
            _expect(stack[-1], dict)
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))

    def pop(self, count: int) -> tuple[Any, ...]:
        if count > len(self.stack):
            raise _RefusedError("is damaged: its pickle takes more than it has.")
        values = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return values

    def pop_mark(self) -> list[Any]:
        values, self.stack = self.stack, self.below.pop()
        return values


def _operations(program: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the names and arguments of opcodes; no argument of a refused opcode is decoded."""
    file = io.BytesIO(program)
    while code := file.read(1):
        operation = _OPERATIONS.get(code.decode("latin-1"))
        if operation is None or operation.name not in _ALLOWED:
            name = operation.name if operation else hex(code[0])
            raise _RefusedError(
                f"has the pickle opcode {name}, which describes no tensor. Not read."
            )
        yield operation.name, operation.arg.reader(file) if operation.arg else None


def _find(name: str) -> _Global:
    if name not in (_DICT, _TENSOR, *_DTYPES):
        raise _RefusedError(
            f"refers to `{_printable(name)}`, which is not a tensor. It could run any code, and "
            "was not read. Ask for a file that holds a state dict alone."
        )
    return _Global(name)


def _call(function: Any, arguments: tuple[Any, ...]) -> Any:
    name = _expect(function, _Global).name
    if name == _DICT and not arguments:
        return {}
    if name == _TENSOR and len(arguments) in (6, 7):
        storage, offset, shape, strides = arguments[:4]
        return _Tensor(_expect(storage, _Storage), _size(offset), _sizes(shape), _sizes(strides))
    raise _RefusedError(f"calls `{name}` with {len(arguments)} arguments, which makes no tensor.")


def _storage(identifier: Any) -> _Storage:
    if type(identifier) is not tuple or len(identifier) != 5 or identifier[0] != "storage":
        raise _RefusedError("has a persistent object that is no storage of a tensor.")
    type_name = _expect(identifier[1], _Global).name
    if type_name not in _DTYPES:
        raise _RefusedError(f"has a storage of the type `{type_name}`.")
    return _Storage(type_name, _expect(identifier[2], str), _size(identifier[4]))


def _set_items(target: dict[Any, Any], values: list[Any]) -> None:
    for key, value in zip(values[::2], values[1::2], strict=True):
        # A tuple's hash visits its parts, and shared parts make that exponential.
        if type(key) not in (str, int):
            raise _RefusedError(f"has a dict with a key of the type {type(key).__name__}.")
        target[key] = value


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        found, wanted = (name.strip("_").lower() for name in (type(value).__name__, kind.__name__))
        raise _RefusedError(f"is no state dict: its pickle has {found} where {wanted} belongs.")
    return value


def _size(value: Any) -> int:
    if _expect(value, int) < 0:
        raise _RefusedError("is damaged: a tensor has a negative size, stride or offset.")
    return value


def _sizes(values: Any) -> tuple[int, ...]:
    return tuple(_size(value) for value in _expect(values, tuple))


def _flatten(root: Any) -> Iterator[tuple[str, _Tensor]]:
    """Yield names and tensors; a list's items are named by their places."""
    waiting = [("", root, 0)]
    for visited in range(MAX_VALUES + 1):
        if not waiting:
            return
        name, value, depth = waiting.pop()
        if isinstance(value, _Tensor):
            yield name, value
        elif isinstance(value, dict | list | tuple):
            if depth == MAX_DEPTH or visited + len(waiting) + len(value) > MAX_VALUES:
                raise _RefusedError(
                    "is no state dict: it is nested too deeply, or has too many parts."
                )
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [(_join(name, key), part, depth + 1) for key, part in reversed(list(items))]
        elif isinstance(value, _Global | _Storage):
            raise _RefusedError("is no state dict: it holds something that is not a tensor.")


def _join(name: str, key: str | int) -> str:
    joined = f"{name}.{key}" if name else str(key)
    if len(joined) > MAX_NAME or not joined.isprintable():
        raise _RefusedError(f"has the odd tensor name '{_printable(joined)}'.")
    return joined


class _Storages:
    """The numbers beside the pickle, each storage read when the first tensor needs it."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        self.archive = archive
        self.root = root
        self.order = self._byte_order()
        self.loaded: dict[str, tuple[_Storage, Array]] = {}

    def view(self, name: str, tensor: _Tensor) -> Array:
        """Return a tensor as a view of its storage."""
        storage = tensor.storage
        if storage.key not in self.loaded:
            self.loaded[storage.key] = storage, self._load(name, storage)
        known, array = self.loaded[storage.key]
        if storage != known:
            raise _RefusedError(
                f"is damaged: '{name}' and another tensor disagree on their storage."
            )
        count, shape, strides = math.prod(tensor.shape), tensor.shape, tensor.strides
        last = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if count else -1
        if count > storage.count or tensor.offset + last >= storage.count:
            raise _RefusedError(
                f"is damaged: '{name}' reaches beyond its storage: shape {shape}, strides "
                f"{strides}, offset {tensor.offset}, {storage.count} numbers."
            )
        steps = [step * array.itemsize for step in strides]
        return as_strided(array[tensor.offset :], shape, steps, writeable=False)

    def _load(self, name: str, storage: _Storage) -> Array:
        entry = f"{self.root}/data/{storage.key}"
        dtype = np.dtype(_DTYPES[storage.type_name]).newbyteorder(self.order)
        if entry not in self.archive.NameToInfo:
            raise _RefusedError(f"is damaged: the numbers of '{name}' are missing.")
        expected, actual = storage.count * dtype.itemsize, self.archive.getinfo(entry).file_size
        if expected != actual:
            raise _RefusedError(
                f"is damaged: the numbers of '{name}' are {actual} bytes, {expected} expected."
            )
        array = np.frombuffer(self.archive.read(entry), dtype)
        if storage.type_name == "torch.BoolStorage":
            return array != 0
        if storage.type_name == "torch.BFloat16Storage":
            return (array.astype("u4") << 16).view("f4")
        return array

    def _byte_order(self) -> Literal["<", ">"]:
        entry = f"{self.root}/byteorder"
        order = self.archive.read(entry) if entry in self.archive.NameToInfo else b"little"
        if order not in (b"little", b"big"):
            raise _RefusedError(
                f"has the unknown byte order '{_printable(order.decode('latin-1'))}'."
            )
        return "<" if order == b"little" else ">"


def _printable(text: str) -> str:
    return ascii(text[:MAX_NAME])[1:-1]
