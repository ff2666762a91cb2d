"""Reads `.safetensors` files, which contain arrays and no code."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes  # noqa: F401, registers bfloat16 with NumPy
from safetensors import safe_open

from inpaint_tf.importers.torch_pickle import (
    MAX_BYTES,
    MAX_PICKLE_BYTES,
    MAX_VALUES,
    Array,
    RefusedError,
    check_name,
    read_guarded,
)

_TYPES = {"BF16", "BOOL", "F16", "F32", "F64", "I16", "I32", "I64", "I8", "U16", "U32", "U64", "U8"}


def read_safetensors(path: str | Path) -> dict[str, Array]:
    """Read the tensors of a `.safetensors` file, which take no more memory than the file.

    Raises:
        UserError: If the file is damaged, or is not a safetensors file.
    """
    return read_guarded(Path(path), _read)


def _read(path: Path) -> dict[str, Array]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_PICKLE_BYTES:
        raise RefusedError(
            f"has a header of {length:,} bytes, and is probably not a safetensors file."
        )
    if path.stat().st_size > MAX_BYTES:
        raise RefusedError(f"is longer than {MAX_BYTES:,} bytes.")
    arrays = {}
    with safe_open(path, framework="np") as tensors:
        names = list(tensors.keys())
        if len(names) > MAX_VALUES:
            raise RefusedError(f"has {len(names):,} tensors, which no network has.")
        for name in names:
            check_name(name)
            kind = tensors.get_slice(name).get_dtype()
            if kind not in _TYPES:
                raise RefusedError(f"has the tensor '{name}' of the type {kind}.")
            arrays[name] = tensors.get_tensor(name)
    return arrays
