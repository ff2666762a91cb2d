"""Downloads and converts the published weights of LPIPS."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from inpaint_tf.importers.download import AbsentError, download
from inpaint_tf.importers.torch_legacy import read_torch_legacy
from inpaint_tf.importers.torch_pickle import Array
from inpaint_tf.importers.torch_zip import read_torch
from inpaint_tf.metrics import lpips_weights
from inpaint_tf.metrics.lpips_weights import Arrays
from neuralgym_lite.digests import file_sha256
from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import atomic_write, temporary_folder

OnProgress: TypeAlias = Callable[[str, int, int | None], None]

_NETWORKS = "https://download.pytorch.org/models"
_HEADS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
)
_MAX_BYTES = 300 << 20
_FIRES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}


@dataclass(frozen=True)
class _Published:
    """Published files with weights."""

    # Files of one network, the preferred first. Names end with the first digits of their SHA-256.
    networks: tuple[str, ...]
    heads: str  # file with the channel weights
    layers: dict[str, str]  # name of a convolution here -> in the file
    n_heads: int


_PUBLISHED = {
    "lpips-alex": _Published(
        networks=("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth"),
        heads="alex.pth",
        layers={f"conv{i}": f"features.{j}" for i, j in enumerate((0, 3, 6, 8, 10), start=1)},
        n_heads=5,
    ),
    "lpips-squeeze": _Published(
        networks=("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-f364aa15.pth"),
        heads="squeeze.pth",
        layers={"conv1": "features.0"}
        | {
            f"fire{fire}.{part}": f"features.{index}.{part}"
            for fire, index in _FIRES.items()
            for part in ("squeeze", "expand1x1", "expand3x3")
        },
        n_heads=7,
    ),
}


def fetch(name: str, source: str | None = None, on_progress: OnProgress | None = None) -> Path:
    """Download weights into the cache folder, unless they are there.

    The published files are read without PyTorch and without executing their pickles.

    Args:
        name: a key of `lpips_weights.SHA256`.
        source: URL or folder of a mirror with all files. Default: the original URLs.
        on_progress: called with (file, bytes so far, total bytes or None if unknown).

    Returns:
        The `.npz` file in the cache folder.

    Raises:
        UserError: If the name is unknown, a file cannot be downloaded or read, its checksum is
            wrong, the weights are not the published ones, or the cache folder cannot be written.
    """
    target = lpips_weights.kept_at(name)
    if target.exists():
        with suppress(UserError):  # a damaged file is replaced
            lpips_weights.read(name, target)
            return target
    try:
        with temporary_folder(target.parent) as temporary:
            arrays = _published(name, _Source(source, temporary, on_progress))
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
        atomic_write(target, packed.getvalue())
    except OSError as error:
        raise UserError(
            f"Cannot keep weights in '{target.parent}': {reason_of(error)}; choose another "
            "folder with $INPAINT_TF_CACHE"
        ) from error
    return target


@dataclass(frozen=True)
class _Source:
    """The source of files: their original URLs, a mirror, or a folder."""

    place: str | None
    temporary: Path
    on_progress: OnProgress | None

    def file(self, name: str, official: str) -> Path:
        """Return a published file, downloaded unless the source is a folder."""
        if self.place is not None and "://" not in self.place:
            path = Path(self.place).expanduser() / name
            if not path.is_file():
                raise AbsentError(f"'{path}' is missing: it is '{official}/{name}'")
            return path
        path = self.temporary / name
        url = f"{(self.place or official).rstrip('/')}/{name}"
        download(url, path, _MAX_BYTES, self.on_progress and partial(self.on_progress, name))
        return path

    def first_of(self, names: tuple[str, ...], official: str) -> Path:
        """Return the first file that exists."""
        try:
            return self.file(names[0], official)
        except AbsentError:
            for name in names[1:]:
                with suppress(AbsentError):
                    return self.file(name, official)
            raise


def _published(name: str, source: _Source) -> Arrays:
    published = _PUBLISHED[name]
    # The small file first: if it fails, the user has not waited for the large one.
    heads = _read(source.file(published.heads, _HEADS))
    path = source.first_of(published.networks, _NETWORKS)
    _check_digest(path)
    arrays = _converted(published, _read(path), heads, path)
    lpips_weights.check(name, arrays, source.place or path.name)
    return arrays


def _check_digest(path: Path) -> None:
    """Check that the SHA-256 of a file begins with the digits in its name."""
    expected = path.stem.rpartition("-")[2]
    found = file_sha256(path)
    if not found.startswith(expected):
        raise UserError(
            f"'{path.name}' is damaged or another file: its SHA-256 begins with "
            f"{found[: len(expected)]}, not {expected}. Get it anew"
        )


def _read(path: Path) -> dict[str, Array]:
    try:
        return read_torch(path) if zipfile.is_zipfile(path) else read_torch_legacy(path)
    except UserError as error:
        # The temporary folder no longer exists when the user reads the message.
        raise UserError(str(error).replace(str(path), path.name)) from error


def _converted(
    published: _Published, network: dict[str, Array], heads: dict[str, Array], path: Path
) -> Arrays:
    """Return the weights by their names here; kernels as (h, w, in, out)."""
    arrays = {}
    try:
        for ours, theirs in published.layers.items():
            arrays[f"{ours}.kernel"] = network[f"{theirs}.weight"].transpose(2, 3, 1, 0)
            arrays[f"{ours}.bias"] = network[f"{theirs}.bias"]
        for index in range(published.n_heads):
            arrays[f"lin{index}"] = heads[f"lin{index}.model.1.weight"].reshape(-1)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"'{path.name}' and '{published.heads}' do not hold LPIPS: {error}"
        ) from error
    return {name: np.ascontiguousarray(array, "float32") for name, array in arrays.items()}
