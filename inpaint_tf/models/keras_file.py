"""A `.keras` file of anybody, looked at before Keras reads it.

Keras makes whatever network the file's config asks for, and unpacks what the file holds, however
much that is. So the config, the sizes and the HDF5 file inside are checked first: what is loaded
is one of our networks, with its own weights, and takes a few times the memory of the file.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import keras

from inpaint_tf.masks import MaskMode
from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError, reason_of

AnyModel = TypeVar("AnyModel", bound=keras.Model)

MAX_BYTES = 4 << 30
MAX_CONFIG_BYTES = 1 << 16
MAX_SIDE = 8192
# Weights hardly shrink: those of the package, rounded to float16, to six tenths.
_MAX_RATIO = 16
_SMALL = 16 << 20
_MAX_OBJECTS = 1_000
_MAX_ATTRIBUTES = 8
_MAX_ATTRIBUTE_BYTES = 4096
_MAX_REASON = 300

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_ENTRIES = {_CONFIG, _WEIGHTS, "metadata.json"}
# Parts of the refinement network that had other names in files saved before version 0.2.
_REFINEMENT = "layers/refinement_network"
_RENAMED = {
    "hallucinate": "dilated_encoder",
    "describe": "attention_encoder",
    "borrow": "attention_decoder",
    "merge": "decoder",
}
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.-]{0,199}")  # TensorFlow's rule for scopes
# How many bytes a weight takes.
_POLICIES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
_POLICIES |= {"mixed_float16": 4, "mixed_bfloat16": 4}
_OPTIONS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "trainable": (bool,),
    "dtype": (str, dict),
    "width": (int,),
    "compat": (str,),
    "mask_mode": (str, dict),
    "formulation": (str,),
    "wiring": (str,),
    "image_size": (int,),
    "size": (int, list),
    "last_width": (int,),
}


class RefusedError(Exception):
    """Why a file is not read; the message goes on where the file's name stands."""


def load_keras_file(path: Path, kind: type[AnyModel]) -> AnyModel:
    """Load a network of ours; nothing else of the file is made or run.

    Args:
        path: a file that Keras saved.
        kind: base class of the network, which has `least_weights`.

    Raises:
        UserError: one line, if it is damaged, holds anything else, or would take far more memory
            than the file is long.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, path.stat().st_size)
            least = check_config(strict_json.parse(archive.read(_CONFIG), MAX_CONFIG_BYTES), kind)
            weights = archive.read(_WEIGHTS)
            _check_weights(weights, least)
            with _with_current_names(path, archive, weights) as file:
                loaded: AnyModel = keras.models.load_model(file, compile=False, safe_mode=True)
        return loaded
    except RefusedError as refusal:
        raise UserError(f"'{path}' {refusal}") from None
    except Exception as error:  # Keras, zipfile, HDF5 and JSON raise whatever their readers raise
        reason = reason_of(error)[:_MAX_REASON]
        raise UserError(f"'{path}' cannot be read as a Keras model: {reason}") from None


def _check_entries(archive: zipfile.ZipFile, length: int) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    for name in names:
        if name not in _ENTRIES or names.count(name) > 1:
            odd = "a second" if name in _ENTRIES else "the odd"
            raise RefusedError(f"is no Keras model of ours: it has {odd} entry {name[:80]!a}.")
    for name in (_CONFIG, _WEIGHTS):
        if name not in names:
            raise RefusedError(f"is no Keras model: it has no entry '{name}'.")
    if archive.getinfo(_CONFIG).file_size > MAX_CONFIG_BYTES:
        raise RefusedError(f"is no Keras model of ours: its {_CONFIG} is too long.")
    total = sum(entry.file_size for entry in entries)
    if total > min(MAX_BYTES, max(_SMALL, _MAX_RATIO * length)):
        raise RefusedError(
            f"would unpack from {length:,} bytes to {total:,}, which weights never do: a zip bomb?"
        )


def check_config(config: Any, kind: type[AnyModel]) -> int:
    """Refuse what is no network of this kind; return the bytes that its weights take at least."""
    if any(name in ("Lambda", "__lambda__") for name in _class_names(config)):
        raise RefusedError(
            "has a Lambda layer: Python code that would run when it is loaded. It is refused, and "
            "nothing of it was run."
        )
    # Classes of Keras itself have no registered name.
    registered = _get(config, "registered_name", (str, type(None)))
    known = keras.saving.get_registered_object(str(registered))
    found = _get(config, "class_name", (str,))
    if not (isinstance(known, type) and issubclass(known, kind) and found == known.__name__):
        wanted = "an inpainting model" if kind.__name__ == "InpaintingModel" else "a critic"
        raise RefusedError(f"holds a {found[:80]!a}, not {wanted}.")
    options = _get(config, "config", (dict,))
    for key in options:
        if key not in _OPTIONS:
            raise RefusedError(f"has the unknown setting {key[:80]!a}, which is none of ours.")
        _get(options, key, _OPTIONS[key])
    if not _NAME.fullmatch(options.get("name", "model")):
        raise RefusedError(
            f"has the odd name {options['name'][:80]!a}: at most 200 letters, digits, '_', '.' or "
            "'-', the first a letter, a digit or '.', are a name."
        )
    _check_mask_mode(options.get("mask_mode", "hole"))
    counted = {key: options[key] for key in options.keys() & {"width", "image_size", "last_width"}}
    for key, value in counted.items():
        if not 1 <= value <= MAX_SIDE:
            raise RefusedError(f"has {key}={value}, which is not in 1 to {MAX_SIDE}.")
    if "size" in options:
        counted["size"] = _check_size(options["size"])
    network: Any = known
    return int(network.least_weights(**counted)) * _check_policy(options.get("dtype", "float32"))


def _check_mask_mode(mode: Any) -> None:
    try:
        unit = MaskMode.get(mode).unit
        if type(unit) is not int or unit > MAX_SIDE:
            raise UserError(f"A mosaic's unit must be in 1 to {MAX_SIDE} pixels. Received: {unit}")
    except (UserError, TypeError, ValueError) as error:
        raise RefusedError(f"has a wrong mask mode: {reason_of(error)[:_MAX_REASON]}") from None


def _check_size(size: Any) -> tuple[int, int]:
    sides = [size, size] if isinstance(size, int) else size
    if len(sides) != 2 or not all(type(side) is int and 1 <= side <= MAX_SIDE for side in sides):
        raise RefusedError(f"has size={str(size)[:80]}, not two sides in 1 to {MAX_SIDE}.")
    return sides[0], sides[1]


def _check_policy(dtype: str | dict[str, Any]) -> int:
    """Return how many bytes a weight takes."""
    policy = {"module": "keras", "class_name": "DTypePolicy", "registered_name": None}
    for name, size in _POLICIES.items():
        if dtype in (name, {**policy, "config": {"name": name}}):
            return size
    raise RefusedError(f"has an unknown precision: {str(dtype)[:80]!a}.")


def _check_weights(data: bytes, least: int) -> None:
    """Refuse an HDF5 file that refers to others, unpacks, or has fewer bytes of weights."""
    total = 0
    with h5py.File(io.BytesIO(data), "r") as file:
        for count, (name, item) in enumerate(_objects(file)):
            if count == _MAX_OBJECTS:
                raise RefusedError(f"has more than {_MAX_OBJECTS:,} objects among its weights.")
            _check_attributes(name, item)
            if isinstance(item, h5py.Dataset):
                total += _check_array(name, item)
    if not least <= total <= len(data):
        raise RefusedError(
            f"has {total:,} bytes of weights in {len(data):,}, and its network takes {least:,} or "
            "more."
        )


@contextlib.contextmanager
def _with_current_names(path: Path, archive: zipfile.ZipFile, weights: bytes) -> Iterator[Path]:
    """Yield the file, or a copy of it in which renamed parts of the network have new names."""
    buffer = io.BytesIO(weights)
    with h5py.File(buffer, "r+") as file:
        refinement = file.get(_REFINEMENT, {})
        earlier = [name for name in _RENAMED if name in refinement]
        for name in earlier:
            refinement.move(name, _RENAMED[name])
    if not earlier:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name).with_suffix(".keras")
        with zipfile.ZipFile(copy, "w") as renamed:
            for name in archive.namelist():
                data = buffer.getvalue() if name == _WEIGHTS else archive.read(name)
                renamed.writestr(name, data)
        yield copy


def _objects(group: h5py.Group) -> Iterator[tuple[str, Any]]:
    """Yield the objects that lie in a file, and their names; of loops without end."""
    waiting = [group]
    while waiting:
        group = waiting.pop()
        yield group.name or "/", group
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise RefusedError(
                    f"has a link in place of the weights {name[:80]!a}. It is not followed."
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append(item)
            else:
                yield item.name, item


def _check_attributes(name: str, item: Any) -> None:
    count = h5py.h5a.get_num_attrs(item.id)
    if count > _MAX_ATTRIBUTES or any(
        h5py.h5a.open(item.id, index=index).get_storage_size() > _MAX_ATTRIBUTE_BYTES
        for index in range(count)
    ):
        raise RefusedError(f"has notes of an odd length on the weights {name[-80:]!a}.")


def _check_array(name: str, item: Any) -> int:
    """Return how many bytes an array takes, all of which lie in the file as they are."""
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiuV":
        raise RefusedError(f"has {name[:80]!a} among its weights, which is no array of numbers.")
    layout = item.id.get_create_plist()
    plain = layout.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    stored = item.id.get_storage_size()
    if not plain or layout.get_external_count() or stored != item.size * item.dtype.itemsize:
        raise RefusedError(
            f"has the weights {name[:80]!a} compressed, elsewhere or not at all, and not as Keras "
            "saves them."
        )
    return int(stored)


def _get(mapping: Any, key: str, kinds: tuple[type, ...]) -> Any:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    if type(value) not in kinds:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise RefusedError(
            f"cannot be read as a Keras model: {key} is {str(value)[:80]!a}, expected {wanted}."
        )
    return value


def _class_names(config: Any) -> Iterator[Any]:
    if isinstance(config, dict):
        yield config.get("class_name")
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _class_names(part)
