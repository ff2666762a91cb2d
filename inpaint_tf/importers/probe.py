"""Compares the output of an imported network with that of its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_tf.models import InpaintingModel
from neuralgym_lite.arrays import read_arrays
from neuralgym_lite.backend import is_jax
from neuralgym_lite.errors import UserError
from neuralgym_lite.seeds import generator

LIMIT = 3e-4
STAGES = {"coarse": "x_stage1", "refined": "x_stage2"}
SIZE = 64
_MAX_BYTES = 128 << 20

Probe = dict[str, NDArray[np.float32]]


def read_probe(path: str | Path) -> Probe:
    """Read an input and the outputs of the source.

    Args:
        path: an `.npz` file with `masked_input` `(B, H, W, 3)` RGB in [-1, 1], `mask`
            `(B, H, W, 1)`, and `x_stage1` and `x_stage2` like `masked_input`. H and W are multiples
            of 8.

    Raises:
        UserError: If it cannot be read, or an array is missing or has the wrong shape.
    """
    names = ("masked_input", "mask", *STAGES.values())
    try:
        arrays = read_arrays(path, _MAX_BYTES)
        probe = {name: np.asarray(arrays[name], "float32") for name in names if name in arrays}
    except Exception as error:  # zipfile and NumPy raise many kinds of exceptions for damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"Probe '{path}' cannot be read: {reason}") from error
    missing = [name for name in names if name not in probe]
    if missing:
        raise UserError(f"Probe '{path}' has no array '{missing[0]}'. Needed: {', '.join(names)}.")
    shape = probe["masked_input"].shape
    if len(shape) != 4 or shape[3] != 3 or 0 in shape or shape[1] % 8 or shape[2] % 8:
        raise UserError(
            f"Probe '{path}': 'masked_input' must be (B, H, W, 3), H and W multiples of 8. "
            f"Received: {shape}"
        )
    for name in names[1:]:
        expected = (*shape[:3], 1) if name == "mask" else shape
        if probe[name].shape != expected:
            raise UserError(
                f"Probe '{path}': '{name}' must be {expected}. Received: {probe[name].shape}"
            )
    return probe


def differences(model: InpaintingModel, probe: Probe) -> dict[str, float]:
    """Return the largest absolute difference of each stage from the source's output."""
    outputs = model((probe["masked_input"], probe["mask"]))
    return {stage: _largest(outputs[stage], probe[name]) for stage, name in STAGES.items()}


def formulations_differ(model: InpaintingModel) -> float | None:
    """Return how far the two formulations of attention are apart, on a generated picture.

    Returns:
        The largest absolute difference of the final picture; None for a model without attention,
        and under JAX, which has one formulation.
    """
    if not model.has_attention or is_jax():
        return None
    reference = type(model).from_config({**model.get_config(), "formulation": "reference"})
    reference.set_weights(model.get_weights())
    inputs = _generated()
    return _largest(model(inputs)["refined"], reference(inputs)["refined"])


def _generated() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return an image of waves with random phases, with a hole in the middle, and its mask."""
    phase = generator(0, "import-probe").uniform(0, 2 * np.pi, (3, 1, 1))
    row, column = np.mgrid[:SIZE, :SIZE] / SIZE
    picture = np.sin(phase + 2 * np.pi * np.stack([3 * row, 5 * column, 4 * (row + column)]))
    mask = np.zeros((1, SIZE, SIZE, 1), "float32")
    mask[:, SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4] = 1
    return picture.transpose(1, 2, 0)[None].astype("float32") * (1 - mask), mask


def _largest(left: Any, right: Any) -> float:
    return float(np.max(np.abs(np.asarray(left) - np.asarray(right))))
