"""Draw the picture in the README: python scripts/teaser.py HOLE_RUN MOSAIC_RUN --out teaser.png.

Photographs that scikit-image carries, at 64x64 pixels, the middle quarter of each missing.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import click
import numpy as np
from PIL import Image

import inpaint_tf
from inpaint_tf.inference import NetworkInpainter
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.report.grid import image_grid
from neuralgym_lite.images import Picture, read_rgb, to_uint8, write_picture

PHOTOGRAPHS = ("chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg")
SIZE, ZOOM = 64, 2


@click.command()
@click.argument("hole_run")
@click.argument("mosaic_run")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="PNG to write.")
def main(hole_run: str, mosaic_run: str, out: Path) -> None:
    """Fill the same photographs with a model of each kind."""
    truth = np.stack([load(name) for name in PHOTOGRAPHS])
    masks = evaluation_masks("center", len(truth), SIZE)
    columns = {}
    for kind, run in (("hole", hole_run), ("mosaic", mosaic_run)):
        model = inpaint_tf.load(run)
        if not isinstance(model, NetworkInpainter):
            raise click.BadParameter(f"'{run}' is no network.")
        columns[kind] = to_uint8(model.mask_mode.apply(truth, masks))
        if kind == "hole":
            columns["TELEA"] = inpaint_tf.load("telea").fill(truth, masks)
        columns[f"{kind} model"] = model.fill(truth, masks)
    columns["truth"] = truth
    zoomed = [x.repeat(ZOOM, axis=1).repeat(ZOOM, axis=2) for x in columns.values()]
    grid = image_grid(list(zip(*zoomed, strict=True)), column_titles=list(columns))
    write_picture(out, Picture(grid))


def load(name: str) -> np.ndarray:
    """Return the middle square of one of scikit-image's photographs."""
    with importlib.resources.as_file(importlib.resources.files("skimage") / "data" / name) as path:
        photo = read_rgb(path)
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(photo[top : top + side, left : left + side])
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


if __name__ == "__main__":
    main()
