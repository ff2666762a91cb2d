"""Finds, reads and verifies the weights of LPIPS, which are not part of this package.

A file is accepted only if its arrays are those of LPIPS v0.1, so that scores are comparable.
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
from neuralgym_lite.errors import UserError, did_you_mean, reason_of

ENVIRONMENT = "INPAINT_TF_WEIGHTS"
# What `digest` returns for the published weights.
SHA256 = {
    "lpips-alex": "424e1083a7da8a1dbf02fb5e47b680afdf592c714fce10acec112e89b6a7ea2f",
    "lpips-squeeze": "04345edbfa8051463d567675c5cb4fda2cd6d2c1bfa83f2f66dc428333bfff4a",
}

_MAX_BYTES = 64 << 20
# Global for the process and not thread-local, because several threads compute scores.
_chosen: list[Path] = []

Arrays = dict[str, npt.NDArray[np.float32]]


class MissingWeightsError(UserError):
    """Weights are not on this machine.

    Attributes:
        command: the command that downloads them.
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
    """Return the path of the weights `name` in the cache folder; the file may not exist."""
    return cache_folder() / "weights" / file_name(name)


@contextlib.contextmanager
def weights_from(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Use LPIPS weights from this file within the context, in all threads.

    Args:
        path: an `.npz` file, or a folder that contains it; None changes nothing.

    Raises:
        UserError: If it does not exist.
    """
    if path is None:
        yield
        return
    if not Path(path).exists():
        raise UserError(
            f"Weights '{path}' do not exist: name an .npz file or a folder that contains it"
        )
    _chosen.append(Path(path))
    try:
        yield
    finally:
        _chosen.pop()


def find(name: str) -> Path:
    """Return the file with the weights `name`.

    Searches the path given to `weights_from`, then `$INPAINT_TF_WEIGHTS`, then the cache folder.

    Args:
        name: a key of `SHA256`.

    Raises:
        MissingWeightsError: If there is no such file; the message tells how to get it.
    """
    own, environment = _chosen[-1] if _chosen else None, os.environ.get(ENVIRONMENT)
    named = (own, Path(environment).expanduser() if environment else None)
    places = [place / file_name(name) if place.is_dir() else place for place in named if place]
    for place in (*places, kept_at(name)):
        if place.is_file():
            return place
    command = f"inpaint-tf weights get {name}"
    raise MissingWeightsError(
        f"Weights '{name}' are not on this machine: looked at `lpips_weights` "
        f"({own or 'not given'}), ${ENVIRONMENT} ({environment or 'not set'}) and "
        f"'{kept_at(name)}'; get them with '{command}'",
        command,
    )


def read(name: str, path: Path) -> Arrays:
    """Read weights and verify that they are the published ones.

    Args:
        name: a key of `SHA256`.
        path: an `.npz` file with kernels (h, w, in, out), biases (out,) and `lin0`, ...
            (channels,).

    Raises:
        UserError: If the file cannot be read, or contains other weights.
    """
    try:
        arrays = read_arrays(path, _MAX_BYTES)
    except Exception as error:  # zipfile and NumPy raise many kinds of exceptions for damaged files
        raise UserError(f"Weights '{path}' cannot be read: {reason_of(error)}") from error
    check(name, arrays, path)
    return arrays


def check(name: str, arrays: Mapping[str, npt.NDArray[Any]], source: object) -> None:
    """Verify that arrays are the published weights `name`.

    Raises:
        UserError: If they are not; the message names the `source`.
    """
    found = digest(arrays)
    if found != SHA256[name]:
        raise UserError(
            f"'{source}' does not hold the published numbers of '{name}': their SHA-256 is "
            f"{found[:16]}, not {SHA256[name][:16]}; get them with 'inpaint-tf weights get {name}'"
        )


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of the names, shapes and little-endian float32 values of arrays."""
    sha256 = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], "<f4")
        sha256.update(f"{name} {arrays[name].shape}\n".encode())
        sha256.update(array.data)
    return sha256.hexdigest()
