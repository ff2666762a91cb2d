"""A `.keras` file of anybody, looked at before Keras reads it.

Keras makes whatever network the file's config asks for, and unpacks what the file holds, however
much that is. So the config, the sizes and the HDF5 file inside are checked first: what is loaded
is one of our networks, with its own weights, and takes a few times the memory of the file.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import keras

from inpaint_tf.keras_archive import (
    WEIGHTS,
    RefusedError,
    read_config,
    read_weights,
    with_current_names,
)
from inpaint_tf.masks import MaskMode
from neuralgym_lite.errors import UserError, reason_of

AnyModel = TypeVar("AnyModel", bound=keras.Model)

MAX_SIDE = 8192
_MAX_REASON = 300

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
            weights = read_weights(archive, check_config(read_config(archive), kind))
            with _with_current_names(path, archive, weights) as file:
                loaded: AnyModel = keras.models.load_model(file, compile=False, safe_mode=True)
        return loaded
    except RefusedError as refusal:
        raise UserError(f"'{path}' {refusal}") from None
    except Exception as error:  # Keras, zipfile, HDF5 and JSON raise whatever their readers raise
        reason = reason_of(error)[:_MAX_REASON]
        raise UserError(f"'{path}' cannot be read as a Keras model: {reason}") from None


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


@contextlib.contextmanager
def _with_current_names(path: Path, archive: zipfile.ZipFile, weights: bytes) -> Iterator[Path]:
    """Yield the file, or a copy of it in which renamed parts of the network have new names."""
    current = with_current_names(weights)
    if current is weights:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name).with_suffix(".keras")
        with zipfile.ZipFile(copy, "w") as renamed:
            for name in archive.namelist():
                data = current if name == WEIGHTS else archive.read(name)
                renamed.writestr(name, data)
        yield copy


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
