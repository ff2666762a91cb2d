"""The weights of LPIPS: where they are looked for, and that they are the published ones.

They are not part of the project. Wherever a file comes from, its numbers are those of LPIPS v0.1 or
it is refused, so that a score of that name is that score.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.data.locations import cache_folder
from neuralgym_lite.arrays import read_arrays
from neuralgym_lite.errors import UserError, did_you_mean

ENVIRONMENT = "INPAINT_TF_WEIGHTS"
# Of `digest` of the published numbers.
SHA256 = {
    "lpips-alex": "424e1083a7da8a1dbf02fb5e47b680afdf592c714fce10acec112e89b6a7ea2f",
    "lpips-squeeze": "04345edbfa8051463d567675c5cb4fda2cd6d2c1bfa83f2f66dc428333bfff4a",
}

_MAX_BYTES = 64 << 20
# Of the whole process, not of a thread: scores are made by several.
_chosen: list[Path] = []

Arrays = dict[str, npt.NDArray[np.float32]]


class MissingWeightsError(UserError):
    """Weights are not on this machine.

    Attributes:
        command: what gets them.
    """

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command


def file_name(name: str) -> str:
    """Return the name of the file that holds the weights `name`, one of `SHA256`."""
    if name not in SHA256:
        raise UserError(f"Unknown weights '{name}'. {did_you_mean(name, SHA256)}")
    return f"{name.replace('-', '_')}_v0.1_hwio.npz"


def kept_at(name: str) -> Path:
    """Return where in the cache folder the weights `name` are kept; the file need not exist."""
    return cache_folder() / "weights" / file_name(name)


@contextlib.contextmanager
def weights_from(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Take the weights of LPIPS from a file within this context, in all threads.

    Args:
        path: an `.npz`, or a folder that holds it under its own name; None changes nothing.

    Raises:
        UserError: it is missing.
    """
    if path is None:
        yield
        return
    if not Path(path).exists():
        raise UserError(f"Weights '{path}' do not exist: name an .npz file or a folder that has it")
    _chosen.append(Path(path))
    try:
        yield
    finally:
        _chosen.pop()


def find(name: str) -> Path:
    """Return the file with the weights `name`.

    It is looked for in the file or folder that `weights_from` names, in that which
    `$INPAINT_TF_WEIGHTS` names, and in the cache folder.

    Args:
        name: one of `SHA256`.

    Raises:
        MissingWeightsError: it is in none of these; the message says where and how to get it.
    """
    own, environment = _chosen[-1] if _chosen else None, os.environ.get(ENVIRONMENT)
    named = (own, Path(environment).expanduser() if environment else None)
    places = [place / file_name(name) if place.is_dir() else place for place in named if place]
    for place in (*places, kept_at(name)):
        if place.is_file():
            return place
    command = f"inpaint-tf weights get {name}"
    raise MissingWeightsError(
        f"Weights '{name}' are not on this machine: looked at --lpips-weights "
        f"({own or 'not given'}), ${ENVIRONMENT} ({environment or 'not set'}) and "
        f"'{kept_at(name)}'; get them with '{command}'",
        command,
    )


def read(name: str, path: Path) -> Arrays:
    """Read weights, and check that they are the published ones.

    Args:
        name: one of `SHA256`.
        path: an `.npz` with kernels (h, w, in, out), biases (out,) and `lin0`, ... (channels,).

    Raises:
        UserError: it cannot be read, or holds other numbers.
    """
    try:
        arrays = read_arrays(path, _MAX_BYTES)
    except Exception as error:  # zipfile and NumPy answer damage with nearly any exception
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"Weights '{path}' cannot be read: {reason}") from error
    check(name, arrays, path)
    return arrays


def check(name: str, arrays: Mapping[str, npt.NDArray[Any]], source: object) -> None:
    """Refuse numbers that are not the published ones of `name`.

    Raises:
        UserError: they are not; the message names the `source`.
    """
    found = digest(arrays)
    if found != SHA256[name]:
        raise UserError(
            f"'{source}' does not hold the published numbers of '{name}': their SHA-256 is "
            f"{found[:16]}, not {SHA256[name][:16]}; get them with 'inpaint-tf weights get {name}'"
        )


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of names, shapes, and numbers as little-endian float32, by name."""
    sha256 = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], "<f4")
        sha256.update(f"{name} {arrays[name].shape}\n".encode())
        sha256.update(array.data)
    return sha256.hexdigest()
