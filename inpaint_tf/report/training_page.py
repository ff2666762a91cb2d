"""How a training went, as one HTML file: its curves, and previews of the same photographs."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from inpaint_tf.report.curves import draw_curves, logged
from inpaint_tf.report.html import encode, flat, render
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.images import read_rgb

PANELS = ("loss", "g_norm", "train_loss,val_loss", "val_mse", "val_l1")
# Only runs with critics or a discriminator log these.
ADVERSARIAL_PANELS = ("wgan_d", "wgan_gp", "bce_d")
_WIDTH = 128  # pixels of a photograph on the page
_PREVIEWS = "filled-*.png"
_TRUTH = "truth.png"


def render_training_page(paths: Sequence[Path]) -> str:
    """Return runs that follow one another as a page that needs no other file.

    Args:
        paths: run folders, in the order of the training.

    Raises:
        UserError: If a folder is not a run, or a run has logged nothing.
    """
    runs = [RunFolder.open(path) for path in paths]
    return render(
        "training.html.j2",
        title=f"Training of {runs[-1].path.name}",
        film=list(_film(runs)),
        runs=[
            {
                "name": run.path.name,
                "curves": _curves(run),
                "settings": dict(flat(run.read_config())),
            }
            for run in runs
        ],
    )


def _film(runs: Sequence[RunFolder]) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Yield a caption and a column of photographs for every preview, the truth last."""
    truth = None
    for run in runs:
        for path in sorted(run.images.glob(_PREVIEWS)):
            truth = runs[-1].images / _TRUTH
            yield f"{run.path.name}, {int(path.stem.rpartition('-')[2]):,}", _narrow(path)
    if truth:
        yield "truth", _narrow(truth)


def _narrow(path: Path) -> npt.NDArray[np.uint8]:
    strip = Image.fromarray(read_rgb(path))
    size = (_WIDTH, strip.height * _WIDTH // strip.width)
    return np.asarray(strip.resize(size, Image.Resampling.LANCZOS))


def _curves(run: RunFolder) -> str:
    found = logged(run.path)
    panels = (*PANELS, *(panel for panel in ADVERSARIAL_PANELS if panel in found))
    file = io.BytesIO()
    draw_curves([run.path], panels).savefig(file, format="png", dpi=80)
    return encode("png", file)
