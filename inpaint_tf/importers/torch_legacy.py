"""Reads PyTorch checkpoints from before version 1.6 without executing their pickles.

A file contains five pickles: a magic number, the version of the format, a description of the
machine that wrote it, the tensors, and the order of the storages. The data of the storages follow.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

from inpaint_tf.importers.torch_pickle import (
    MAX_BYTES,
    MAX_PICKLE_BYTES,
    Array,
    Box,
    Machine,
    RefusedError,
    Storage,
    decode,
    expect,
    flatten,
    length_in_file,
    opcodes,
    printable,
    read_guarded,
    read_views,
    set_items,
    tensor,
)

VERSION = 1001

_MAGIC = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
_DICT = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor"
_PARAMETER = "torch.nn.parameter.Parameter"
_TENSOR_CLASSES = frozenset(
    f"torch.{kind}Tensor"
    for kind in ("Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
)
_COUNT = struct.Struct("<q")


def read_torch_legacy(path: str | Path) -> dict[str, Array]:
    """Read the tensors of a file that `torch.save` of PyTorch before 1.6 wrote.

    Args:
        path: a `.pth` file.

    Returns:
        See `torch_zip.read_torch`.

    Raises:
        UserError: If it is damaged, has another format, or contains anything but tensors.
    """
    return read_guarded(Path(path), _read)


def _read(path: Path) -> dict[str, Array]:
    length = path.stat().st_size
    if length > MAX_BYTES:
        raise RefusedError(f"is {length:,} bytes long, and limited to {MAX_BYTES:,} bytes.")
    with path.open("rb") as file:
        # A pickle of tensors is never longer than this, whatever length the file claims.
        head = io.BytesIO(file.read(MAX_PICKLE_BYTES))
        _check_format(head)
        machine = _LegacyMachine()
        tensors = dict(flatten(machine.run(head)))
        keys = expect(_LegacyMachine().run(head), list)
        file.seek(head.tell())
        starts = _find_numbers(file, length, keys, machine.storages)

        def load(name: str, storage: Storage) -> Array:
            if storage.key not in starts:
                raise RefusedError(f"is damaged: the numbers of '{name}' are missing.")
            file.seek(starts[storage.key])
            return decode(storage, file.read(length_in_file(storage)), "<")

        return read_views(tensors, load)


def _check_format(head: io.BytesIO) -> None:
    """Read the three pickles before the tensors."""
    if not head.getvalue().startswith(_MAGIC):
        raise RefusedError("is no PyTorch checkpoint: it does not begin with the magic number.")
    head.seek(len(_MAGIC))
    version = _LegacyMachine().run(head)
    if version != VERSION:
        raise RefusedError(f"is of a version other than {VERSION}, which cannot be read.")
    expect(_LegacyMachine().run(head), dict)


def _find_numbers(
    file: BinaryIO, length: int, keys: list[Any], storages: dict[str, Storage]
) -> dict[str, int]:
    """Return the offset in the file of each storage."""
    starts: dict[str, int] = {}
    for key in keys:
        if expect(key, str) not in storages or key in starts:
            raise RefusedError("is damaged: it lists a storage twice, or one that no tensor has.")
        count = file.read(_COUNT.size)
        starts[key] = file.tell()
        end = starts[key] + length_in_file(storages[key])
        if end > length:
            raise RefusedError(f"is truncated: {length:,} bytes of {end:,} or more are there.")
        if _COUNT.unpack(count)[0] != storages[key].count:
            raise RefusedError("is damaged: a storage has another length than its tensors say.")
        file.seek(end)
    if file.tell() != length:
        raise RefusedError(f"is damaged: {length - file.tell():,} bytes are left over at its end.")
    return starts


class _LegacyMachine(Machine):
    """Also accepts the opcodes of Python 2 and the tensor classes of early PyTorch."""

    opcodes = Machine.opcodes | opcodes("BINSTRING|NEWOBJ|SHORT_BINSTRING")
    names = Machine.names | {_TENSOR, _PARAMETER} | _TENSOR_CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.storages: dict[str, Storage] = {}

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == _DICT and len(arguments) == 1:
            # The same list may be the argument of very many calls.
            self.spend(len(expect(arguments[0], list)))
            return _dict(arguments[0])
        if name == _TENSOR and len(arguments) == 4:
            return tensor(*arguments)
        if name in _TENSOR_CLASSES and not arguments:
            return Box()
        if name == _PARAMETER and len(arguments) < 2:
            return Box(*arguments)
        return super().call(name, arguments)

    def build(self, value: Any, state: Any) -> None:
        if type(value) is not Box:
            super().build(value, state)
        elif len(expect(state, tuple)) == 4:
            value.content = tensor(*state)
        elif len(state) == 5:
            # A parameter: the tensor, then flags such as requires_grad.
            value.content = state[0]
        elif len(state) != 3:
            raise RefusedError(f"is no state dict: a tensor has a state of {len(state)} parts.")

    def storage(self, identifier: Any) -> Storage:
        # The last part would describe a view of another storage.
        if type(identifier) is not tuple or len(identifier) != 6 or identifier[5] is not None:
            raise RefusedError("has a persistent object that is no storage of a tensor.")
        storage = super().storage(identifier[:5])
        if self.storages.setdefault(storage.key, storage) != storage:
            raise RefusedError(
                f"is damaged: two tensors disagree on the storage '{printable(storage.key)}'."
            )
        return storage


def _dict(pairs: list[Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for pair in pairs:
        set_items(made, expect(pair, list))
    return made
