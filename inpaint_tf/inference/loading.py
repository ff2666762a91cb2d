"""Inpainters by name, run folder or file."""

from __future__ import annotations

from pathlib import Path

from inpaint_tf.inference.classical import ClassicalInpainter
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.inference.keras_file import load_keras_file
from inpaint_tf.inference.network import DEFAULT_MEMORY, NetworkInpainter
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.precision import for_this_machine
from inpaint_tf.weights import GENERATOR_FILE, comes_with_detail, locate, names, trained_hole
from neuralgym_lite.checkpoint import latest_checkpoint, newest_whole, verify
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder

CLASSICAL = ("ns", "telea")


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
        model = load_keras_file(path / GENERATOR_FILE, InpaintingModel)
    elif path.is_dir():
        model = load_generator(RunFolder.open(path))
    elif path.is_file():
        model = load_keras_file(path, InpaintingModel)
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
    return load_keras_file(newest_checkpoint(run) / GENERATOR_FILE, InpaintingModel)


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
