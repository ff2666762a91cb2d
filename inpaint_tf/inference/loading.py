"""Inpainters by name, run folder or file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from inpaint_tf.inference.classical import ClassicalInpainter
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.inference.network import DEFAULT_MEMORY, NetworkInpainter
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.precision import for_this_machine
from inpaint_tf.weights import GENERATOR_FILE, comes_with_detail, locate, names, trained_hole
from neuralgym_lite.checkpoint import latest_checkpoint, newest_whole, verify
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder

CLASSICAL = ("ns", "telea")
_MAX_CONFIG_BYTES = 1 << 20


def load(
    path_or_name: str | Path,
    detail: bool | None = None,
    memory: int | None = None,
    coarse_at: int | None = None,
) -> Inpainter:
    """Load what fills photographs.

    Args:
        path_or_name: the name of a network that comes with the install, such as `"ca-photos"`;
            `"ns"` or `"telea"`; a run folder, whose newest checkpoint is taken; a folder that
            `inpaint-tf import` wrote; or a model saved as `.keras`.
        detail: whether fills get the detail of places that look alike (`add_detail`). By default
            those of networks that come with the install and were scored so, such as
            `"ca-photos"`.
        memory: of a network, as for `NetworkInpainter`; None is its default. OpenCV's methods take
            no more than the photograph.
        coarse_at: of a network, likewise. By default a network that comes with the install sees
            holes that are much wider than those of its training reduced (`trained_hole`).

    Raises:
        UserError: if there is no such thing, it is damaged or no inpainting model, or an option is
            not for it.
    """
    if str(path_or_name) in CLASSICAL:
        inpainter = _classical(str(path_or_name), coarse_at)
    else:
        hole = trained_hole(path_or_name)
        inpainter = _network(locate(path_or_name), memory or DEFAULT_MEMORY, coarse_at, hole)
    inpainter.detail = comes_with_detail(path_or_name) if detail is None else detail
    return inpainter


def _classical(name: str, coarse_at: int | None) -> Inpainter:
    if coarse_at is not None:
        raise UserError(f"'{name}' has no coarse network; leave out --coarse-at")
    return ClassicalInpainter(name)


def _network(path: Path, memory: int, coarse_at: int | None, hole: int | None) -> Inpainter:
    if (path / GENERATOR_FILE).is_file():
        model = _load_file(path / GENERATOR_FILE)
    elif path.is_dir():
        model = load_generator(RunFolder.open(path))
    elif path.is_file():
        model = _load_file(path)
    else:
        raise UserError(
            f"There is no model '{path}'. Give a run folder, a .keras file, or one of: "
            f"{', '.join((*names(), *CLASSICAL))}."
        )
    name = path.stem if path.is_file() else path.name
    model = for_this_machine(model)
    return NetworkInpainter(model, model.mask_mode, name, memory, coarse_at, hole)


def load_generator(run: RunFolder) -> InpaintingModel:
    """Load the network of a run's newest checkpoint.

    Raises:
        UserError: if there is no checkpoint, or it is damaged or not safe to load.
    """
    return _load_file(newest_checkpoint(run) / GENERATOR_FILE)


def newest_checkpoint(run: RunFolder) -> Path:
    """Return the folder of a run's newest checkpoint, which is whole.

    Raises:
        UserError: if there is none, or it is damaged.
    """
    latest = latest_checkpoint(run.checkpoints)
    if latest is None:
        raise UserError(f"Run '{run.path}' has no checkpoint yet. Train it further first.")
    try:
        verify(latest)
    except UserError as error:
        # Never an older one unasked: it would pass for the newest.
        before = newest_whole(run.checkpoints)
        give = f"Give '{before / GENERATOR_FILE}' to take the one before it" if before else ""
        way_out = f"{give}, or go on training" if before else "Go on training"
        raise UserError(f"{error} {way_out}: --resume sets damaged ones aside.") from None
    return latest


def _load_file(path: Path) -> InpaintingModel:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
                raise ValueError("its config.json is too long")
            config = json.loads(archive.read("config.json"))
        _check_config(path, config)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except UserError:
        raise
    except Exception as error:  # Keras, zipfile and JSON raise whatever their readers raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"'{path}' cannot be read as a Keras model: {reason}") from None


def _check_config(path: Path, config: Any) -> None:
    """Refuse a model that is not one of ours, before any of it is made."""
    if any(name in ("Lambda", "__lambda__") for name in _class_names(config)):
        raise UserError(
            f"'{path}' has a Lambda layer: Python code that would run when it is loaded. It is "
            "refused, and nothing of it was run."
        )
    name = config["registered_name"]
    known = keras.saving.get_registered_object(name)
    if not (isinstance(known, type) and issubclass(known, InpaintingModel)):
        raise UserError(f"'{path}' holds a {config['class_name']}, not an inpainting model.")


def _class_names(config: Any) -> Iterator[Any]:
    if isinstance(config, dict):
        yield config.get("class_name")
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _class_names(part)
