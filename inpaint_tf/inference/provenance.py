"""Where an inpainter came from: which file, which iteration, trained on what."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from inpaint_tf.inference.classical import ClassicalInpainter
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.inference.loading import newest_checkpoint
from inpaint_tf.inference.network import NetworkInpainter
from inpaint_tf.masks import OPENCV_RADIUS
from inpaint_tf.weights import GENERATOR_FILE, locate
from neuralgym_lite.checkpoint import read_meta
from neuralgym_lite.experiment import RunFolder


def provenance(source: str | Path, inpainter: Inpainter) -> dict[str, Any]:
    """Return what a report has to say of an inpainter, of JSON types.

    Args:
        source: what `load` was given.
        inpainter: what it returned.

    Returns:
        Name and source, and that detail is added where it is; of a network also the model, its
        parameters and mask, the SHA-256 of its file, and of a run the iteration and the data set.

    Raises:
        UserError: If the source has gone or is damaged.
    """
    known: dict[str, Any] = {"name": inpainter.name, "source": str(source)}
    if inpainter.detail:
        known["detail"] = True
    if isinstance(inpainter, ClassicalInpainter):
        return {**known, "model": f"OpenCV {inpainter.name}", "radius": OPENCV_RADIUS}
    if isinstance(inpainter, NetworkInpainter):
        known |= {
            "model": type(inpainter.model).__name__,
            "parameters": int(inpainter.model.count_params()),
            "mask": inpainter.mask_mode.get_config(),
        }
    path = locate(source)
    if path.is_dir() and not (path / GENERATOR_FILE).is_file():
        run = RunFolder.open(path)
        path = newest_checkpoint(run)
        config = run.read_config()
        known["checkpoint"] = path.name
        known["iteration"] = read_meta(path)["iteration"]
        known["trained on"] = config.get("data", {}).get("dataset")
    file = path if path.is_file() else path / GENERATOR_FILE
    return {**known, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
