"""How a training went, as one HTML file: curves, and the same photographs again and again."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from inpaint_tf.report.curves import draw_curves, logged
from inpaint_tf.report.html import data_uri, definition_list, flat, html_page
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.images import read_rgb

PANELS = ("loss", "g_norm", "train_loss,val_loss", "val_mse", "val_l1")
# Of runs with critics, or a discriminator.
ADVERSARIAL_PANELS = ("wgan_d", "wgan_gp", "bce_d")
_WIDTH = 128  # pixels of a photograph on the page
_STRIP = "filled-*.png"
_TRUTH = "truth.png"


def render_training_page(paths: Sequence[Path]) -> str:
    """Return runs that follow one another as a page that needs nothing beside it.

    Args:
        paths: run folders, in the order of the training.

    Raises:
        UserError: if a folder is no run, or has logged nothing.
    """
    runs = [RunFolder.open(path) for path in paths]
    title = f"Training of {runs[-1].path.name}"
    lead = f"{len(runs)} runs, each from the weights of the one before."
    return html_page(title, lead, _film(runs) + "".join(map(_curves, runs)))


def _film(runs: Sequence[RunFolder]) -> str:
    """Return the photographs of every preview beside each other, the truth last."""
    strips = [
        (f"{run.path.name}, {int(path.stem.rpartition('-')[2]):,}", path)
        for run in runs
        for path in sorted(run.images.glob(_STRIP))
    ]
    if not strips:
        return ""
    strips.append(("truth", runs[-1].images / _TRUTH))
    figures = "".join(
        f'<figure><img alt="{escape(told)}" src="{_strip_uri(path)}">'
        f"<figcaption>{escape(told)}</figcaption></figure>"
        for told, path in strips
    )
    return (
        "<section><h2>The same test photographs</h2>"
        '<p class="note">One a row, with the same holes; a column for each time that the training '
        "looked, with the iteration.</p>"
        f'<div class="wide"><div class="film">{figures}</div></div></section>'
    )


def _strip_uri(path: Path) -> str:
    strip = Image.fromarray(read_rgb(path))
    small = strip.resize((_WIDTH, strip.height * _WIDTH // strip.width), Image.Resampling.LANCZOS)
    return data_uri(np.asarray(small))


def _curves(run: RunFolder) -> str:
    found = logged(run.path)
    panels = (*PANELS, *(panel for panel in ADVERSARIAL_PANELS if panel in found))
    file = io.BytesIO()
    draw_curves([run.path], panels).savefig(file, format="png", dpi=80)
    picture = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    name = escape(run.path.name)
    return (
        f'<section><h2>{name}</h2><img class="wide" alt="curves of {name}" src="{picture}">'
        "<details><summary>Settings</summary>"
        f"{definition_list(dict(flat(run.read_config())))}</details></section>"
    )
