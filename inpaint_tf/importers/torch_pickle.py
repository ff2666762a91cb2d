"""A restricted interpreter for the pickle in a PyTorch checkpoint.

A pickle is a program, and Python's unpickler calls any function that it names. The interpreter here
never looks up a name. It knows the names of the ordered dict and of PyTorch's tensor functions, and
only builds descriptions of tensors.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError, reason_of

MAX_BYTES = 4 << 30
MAX_PICKLE_BYTES = 4 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 8
MAX_NAME = 200
MAX_STEPS = 100_000  # a state dict takes about thirty for each tensor
MAX_RANK = 64
MAX_SIZE = 1 << 40

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
_PARAMETER = "torch._utils._rebuild_parameter"
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OPERATIONS = {operation.code.encode("latin-1"): operation for operation in pickletools.opcodes}

Array = NDArray[Any]


@dataclass(frozen=True)
class Global:
    """A global name in a pickle; it is never looked up."""

    name: str


@dataclass(frozen=True)
class Storage:
    """The data of tensors: `count` numbers of one type, stored outside the pickle."""

    type_name: str
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides count numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(eq=False)
class Box:
    """An object whose content, a tensor, is set by a later opcode."""

    content: Any = None


class RefusedError(Exception):
    """The reason why a file is refused; the message continues after the name of the file."""


def read_guarded(path: Path, read: Callable[[Path], dict[str, Array]]) -> dict[str, Array]:
    """Read a file, and turn any exception into a UserError that names the file."""
    try:
        return read(path)
    except RefusedError as refusal:
        raise UserError(f"'{path}' {refusal}") from None
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {reason_of(error)}.") from None
    # zipfile and pickletools raise many kinds of exceptions for damaged files.
    except Exception as error:
        raise UserError(f"'{path}' is damaged: {printable(reason_of(error))}.") from error


def opcodes(pattern: str) -> frozenset[str]:
    """Return the names of opcodes that match a pattern."""
    return frozenset(each.name for each in pickletools.opcodes if re.fullmatch(pattern, each.name))


class Machine:
    """Interprets the opcodes that `torch.save` uses for a state dict, and refuses all others.

    It can create dicts, lists, tuples, numbers, strings, None, and descriptions of tensors.
    """

    opcodes: ClassVar[frozenset[str]] = opcodes(
        "APPENDS?|BINFLOAT|BINGET|BININT[12]?|BINPERSID|BINPUT|BINUNICODE|BUILD|EMPTY_DICT|"
        "EMPTY_LIST|EMPTY_TUPLE|FRAME|GLOBAL|LONG1|LONG_BINGET|LONG_BINPUT|MARK|MEMOIZE|NEWFALSE|"
        "NEWTRUE|NONE|PROTO|REDUCE|SETITEMS?|SHORT_BINUNICODE|STACK_GLOBAL|STOP|TUPLE[123]?"
    )
    names: ClassVar[frozenset[str]] = frozenset((_DICT, _TENSOR, _PARAMETER, *_DTYPES))

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.steps = 0

    def spend(self, steps: int) -> None:
        """Count steps, and refuse a pickle that takes too many."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise RefusedError("is no state dict: its pickle takes far too many steps.")

    def run(self, program: BinaryIO) -> Any:
        """Interpret a pickle up to its end and return the result."""
        while code := program.read(1):
            operation = _OPERATIONS.get(code)
            if operation is None or operation.name not in self.opcodes:  # and is not decoded
                name = operation.name if operation else hex(code[0])
                raise RefusedError(
                    f"has the pickle opcode {name}, which describes no tensor. Not read."
                )
            argument = operation.arg.reader(program) if operation.arg else None
            if operation.name == "STOP":
                return self.stack.pop()
            self.spend(1)
            self.step(operation.name, argument)
        raise RefusedError("is damaged: its pickle has no end.")

    def step(self, name: str, argument: Any) -> None:
        """Interpret one opcode."""
        stack = self.stack
        match name:
            case "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                self.memo[len(self.memo) if argument is None else argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "TUPLE":
                values = self.pop_mark()
                self.stack.append(tuple(values))
            case "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(self.pop(_TUPLES[name]))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(_CONSTANTS[name])
            case "GLOBAL":
                stack.append(self.find(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                stack.append(self.find(".".join(expect(part, str) for part in self.pop(2))))
            case "BINPERSID":
                stack.append(self.storage(stack.pop()))
            case "REDUCE" | "NEWOBJ":
                function, arguments = self.pop(2)
                arguments = expect(arguments, tuple)
                stack.append(self.call(expect(function, Global).name, arguments))
            case "BUILD":
                state = stack.pop()
                self.build(stack[-1], state)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND" | "APPENDS":
                values = [stack.pop()] if name == "APPEND" else self.pop_mark()
                expect(self.stack[-1], list).extend(values)
            case "SETITEM" | "SETITEMS":
                values = list(self.pop(2)) if name == "SETITEM" else self.pop_mark()
                set_items(expect(self.stack[-1], dict), values)
            case "PROTO" | "FRAME":
                pass
            case _:  # a number or text
                stack.append(argument)

    def pop(self, count: int) -> tuple[Any, ...]:
        """Take the last values off the stack."""
        if count > len(self.stack):
            raise RefusedError("is damaged: its pickle takes more than it has.")
        values = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return values

    def pop_mark(self) -> list[Any]:
        """Take all values down to the last mark off the stack."""
        values, self.stack = self.stack, self.below.pop()
        return values

    def find(self, name: str) -> Global:
        """Return a name that the machine knows."""
        if name not in self.names:
            raise RefusedError(
                f"refers to `{printable(name)}`, which is not a tensor. It could run any code, and "
                "was not read. Ask for a file that holds a state dict alone."
            )
        return Global(name)

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return what the call of a known name describes."""
        if name == _DICT and not arguments:
            return {}
        if name == _TENSOR and len(arguments) in (6, 7):
            return tensor(*arguments[:4])
        if name == _PARAMETER and len(arguments) == 3:
            return expect(arguments[0], Tensor)
        raise RefusedError(
            f"calls `{name}` with {len(arguments)} arguments, which makes no tensor."
        )

    def build(self, value: Any, state: Any) -> None:
        """Complete an object by its state."""
        # A state dict's `_metadata`, versions of layers, is of no use here.
        expect(state, dict)
        expect(value, dict)

    def storage(self, identifier: Any) -> Storage:
        """Return the storage described by a persistent identifier."""
        if type(identifier) is not tuple or len(identifier) != 5 or identifier[0] != "storage":
            raise RefusedError("has a persistent object that is no storage of a tensor.")
        type_name = expect(identifier[1], Global).name
        if type_name not in _DTYPES:
            raise RefusedError(f"has a storage of the type `{type_name}`.")
        return Storage(type_name, expect(identifier[2], str), _size(identifier[4]))


def tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    """Return a checked description of a tensor."""
    return Tensor(expect(storage, Storage), _size(offset), _sizes(shape), _sizes(strides))


def set_items(target: dict[Any, Any], values: list[Any]) -> None:
    """Set items of a dict from alternating keys and values."""
    for key, value in zip(values[::2], values[1::2], strict=True):
        # Hashing a nested tuple with shared parts may take exponential time.
        if type(key) not in (str, int):
            raise RefusedError(f"has a dict with a key of the type {type(key).__name__}.")
        target[key] = value


def expect(value: Any, kind: type) -> Any:
    """Return `value`, which must have exactly this type."""
    if type(value) is not kind:
        found, wanted = type(value).__name__.lower(), kind.__name__.lower()
        raise RefusedError(f"is no state dict: its pickle has {found} where {wanted} belongs.")
    return value


def _size(value: Any) -> int:
    if not 0 <= expect(value, int) <= MAX_SIZE:
        raise RefusedError(
            "is damaged: a tensor has a size, stride or offset that is negative or beyond any file."
        )
    return value


def _sizes(values: Any) -> tuple[int, ...]:
    if len(expect(values, tuple)) > MAX_RANK:
        raise RefusedError(f"is damaged: a tensor has {len(values):,} dimensions.")
    return tuple(_size(value) for value in values)


def flatten(root: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield names and tensors. Items of a list are named by their index."""
    waiting = [("", root, 0)]
    for visited in range(MAX_VALUES + 1):
        if not waiting:
            return
        name, value, depth = waiting.pop()
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, dict | list | tuple):
            if depth == MAX_DEPTH or visited + len(waiting) + len(value) > MAX_VALUES:
                raise RefusedError(
                    "is no state dict: it is nested too deeply, or has too many parts."
                )
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, part in reversed(list(items)):
                waiting.append((check_name(f"{name}.{key}" if name else str(key)), part, depth + 1))
        elif (
            isinstance(value, Box) and isinstance(value.content, Box | Tensor) and depth < MAX_DEPTH
        ):
            waiting.append((name, value.content, depth + 1))
        elif value is not None and not isinstance(value, bool | int | float | str):
            raise RefusedError("is no state dict: it holds something that is not a tensor.")


def check_name(name: str) -> str:
    """Return a tensor's name if it is printable and not too long."""
    if len(name) > MAX_NAME or not name.isprintable():
        raise RefusedError(f"has the odd tensor name '{printable(name)}'.")
    return name


def read_views(
    tensors: dict[str, Tensor], load: Callable[[str, Storage], Array]
) -> dict[str, Array]:
    """Return tensors as read-only views of their storages.

    A storage is loaded when the first tensor needs it; messages name this tensor.
    """
    loaded: dict[str, tuple[Storage, Array]] = {}
    views = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        if storage.key not in loaded:
            loaded[storage.key] = storage, load(name, storage)
        known, array = loaded[storage.key]
        if storage != known:
            raise RefusedError(
                f"is damaged: '{name}' and another tensor disagree on their storage."
            )
        views[name] = _view(name, tensor, array)
    return views


def _view(name: str, tensor: Tensor, array: Array) -> Array:
    count, shape, strides = math.prod(tensor.shape), tensor.shape, tensor.strides
    last = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if count else -1
    size = tensor.storage.count
    if count > size or tensor.offset + last >= size:
        raise RefusedError(
            f"is damaged: '{name}' reaches beyond its storage: shape {shape}, strides {strides}, "
            f"offset {tensor.offset}, {size} numbers."
        )
    steps = [step * array.itemsize for step in strides]
    return as_strided(array[tensor.offset :], shape, steps, writeable=False)


def length_in_file(storage: Storage) -> int:
    """Return the size of a storage in bytes."""
    return storage.count * np.dtype(_DTYPES[storage.type_name]).itemsize


def decode(storage: Storage, data: bytes, order: Literal["<", ">"]) -> Array:
    """Return the data of a storage; bfloat16 is converted to float32."""
    array = np.frombuffer(data, np.dtype(_DTYPES[storage.type_name]).newbyteorder(order))
    if storage.type_name == "torch.BoolStorage":
        return array != 0
    if storage.type_name == "torch.BFloat16Storage":
        return (array.astype("u4") << 16).view("f4")
    return array


def printable(text: str) -> str:
    """Return the text in ASCII, on one line and truncated."""
    return ascii(text[:MAX_NAME])[1:-1]
