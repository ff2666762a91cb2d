"""Inpainters by name, run folder or file."""

from __future__ import annotations

from pathlib import Path

import keras

from inpaint_tf.inference.classical import ClassicalInpainter
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.inference.network import NetworkInpainter
from inpaint_tf.models import InpaintingModel
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder

CLASSICAL = ("ns", "telea")


def load(path_or_name: str | Path) -> Inpainter:
    """Load what fills photographs.

    Args:
        path_or_name: `"ns"` or `"telea"`; a run folder, whose newest checkpoint is taken; or a
            model saved as `.keras`.

    Raises:
        UserError: if there is no such thing, or it is damaged or no inpainting model.
    """
    if str(path_or_name) in CLASSICAL:
        return ClassicalInpainter(str(path_or_name))
    path = Path(path_or_name)
    if path.is_dir():
        from inpaint_tf.training.run import load_generator

        model = load_generator(RunFolder.open(path))
    elif path.is_file():
        model = _load_file(path)
    else:
        raise UserError(
            f"There is no model '{path}'. Give a run folder, a .keras file, or one of: "
            f"{', '.join(CLASSICAL)}."
        )
    return NetworkInpainter(model, model.mask_mode, path.stem if path.is_file() else path.name)


def _load_file(path: Path) -> InpaintingModel:
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # noqa: BLE001 - Keras raises whatever its readers raise
        reason = str(error).splitlines()[0]
        raise UserError(f"'{path}' cannot be read as a Keras model: {reason}") from None
    if not isinstance(model, InpaintingModel):
        raise UserError(f"'{path}' holds a {type(model).__name__}, not an inpainting model.")
    return model
