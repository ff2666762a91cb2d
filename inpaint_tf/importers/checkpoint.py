"""Reads checkpoints of other programs, in all supported formats, into Keras models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaint_tf.importers import tf1, torch_names
from inpaint_tf.importers.safetensors_file import read_safetensors
from inpaint_tf.importers.torch_pickle import Array
from inpaint_tf.importers.torch_zip import read_torch
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import Critic, InpaintingModel
from neuralgym_lite.errors import UserError

UNKNOWN_LICENCE = "unknown: ask the author; weights of the 2018 release are CC BY-NC 4.0"
RELEASE_LICENCE = "CC BY-NC 4.0, if these are the weights of the 2018 release"


@dataclass(frozen=True)
class Imported:
    """Networks with imported weights."""

    architecture: str  # name of the generator in the model registry
    generator: InpaintingModel
    critics: dict[str, Critic]  # "local" and "global", if the checkpoint has them
    format: str  # of the source
    files: tuple[Path, ...]
    licence: str  # what the format alone tells about it
    left_out: int = 0  # number of tensors that are not used, such as those of an optimizer


def read_checkpoint(
    path: str | Path, critics: str | Path | None = None, mask: str = "hole"
) -> Imported:
    """Read a checkpoint of the PyTorch port, the paper's own code, or the 2018 release.

    Args:
        path: a `.pt` or `.safetensors` file with a generator or a complete training state; or a
            TensorFlow 1 checkpoint: `snap-0`, one of its files, or a folder with one checkpoint.
        critics: file with critics. Default: `dis_X.pt` in the folder of `gen_X.pt`, or the critics
            in the same file. A TensorFlow checkpoint contains its critics.
        mask: name of the mask mode of the training, which checkpoints do not record.

    Raises:
        UserError: If the file is damaged, not safe to read, or has weights of an unknown network.
    """
    path = Path(path)
    prefix = tf1.find_checkpoint(path)
    if prefix is None:
        return _read_torch(path, None if critics is None else Path(critics), mask)
    if critics is not None:
        raise UserError(
            f"'{path}' holds its critics itself, as TensorFlow does. Leave out `critics`."
        )
    return _read_tf1(prefix, MaskMode(mask))


def _read_torch(path: Path, critics: Path | None, mask: str) -> Imported:
    if not path.is_file():
        raise UserError(
            f"There is no checkpoint '{path}'. Give a .pt or .safetensors file, or snap-0."
        )
    if path.suffix == ".keras":
        raise UserError(f"'{path}' is a Keras model and needs no import. Load it as it is.")
    # The code of the weights, unlike the paper's text, samples the mosaic by nearest neighbour.
    mode = MaskMode(mask, interpolation="nearest" if mask == "mosaic" else "bilinear")
    arrays, format_ = _read_arrays(path)
    with _naming(path):
        architecture, generator = torch_names.make_generator(arrays, mode)
    critics = critics or _sibling(path) or (path if torch_names.has_critics(arrays) else None)
    made = {}
    total = len(arrays)
    if critics:
        if critics != path:
            arrays, _ = _read_arrays(critics)
            total += len(arrays)
        with _naming(critics):
            made = torch_names.make_critics(arrays)
    files = (path, critics) if critics and critics != path else (path,)
    networks: list[Any] = [generator, *made.values()]
    left_out = total - sum(len(network.weights) for network in networks)
    return Imported(architecture, generator, made, format_, files, UNKNOWN_LICENCE, left_out)


def _read_arrays(path: Path) -> tuple[dict[str, Array], str]:
    """Return the tensors of a file, and a description of its format."""
    if path.suffix == ".safetensors":
        return read_safetensors(path), "safetensors"
    return read_torch(path), "PyTorch zip"


def _read_tf1(prefix: Path, mode: MaskMode) -> Imported:
    arrays = tf1.read_tf1(prefix)
    with _naming(prefix):
        generator, critics = tf1.make_generator(arrays, mode), tf1.make_critics(arrays)
    files = tuple(tf1.checkpoint_files(prefix))
    return Imported("ca", generator, critics, "TensorFlow 1 checkpoint", files, RELEASE_LICENCE)


def _sibling(path: Path) -> Path | None:
    if not path.name.startswith("gen_"):
        return None
    sibling = path.with_name(f"dis_{path.name.removeprefix('gen_')}")
    return sibling if sibling.is_file() else None


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Prefix errors with the name of the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"'{path}': {error}") from None
