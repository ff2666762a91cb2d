"""Draws the image of the README: python tools/teaser.py --out docs/images/teaser.png.

It shows photographs of scikit-image at 256x256 pixels, on none of which the network was trained:
some with scratches and text, some with a hole in the center.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import inpaint_tf
from inpaint_tf import weights
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.report.grid import image_grid
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import Picture, read_rgb

DAMAGED = ("chelsea.png", "coffee.png")
HALVED = ("astronaut.png", "rocket.jpg")
SIZE = 256
GREY = 128


@click.command()
@click.option("--model", default=weights.DEFAULT, show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="PNG to write.")
def main(model: str, out: Path) -> None:
    """Fill the same photographs with MODEL and with TELEA."""
    truth = np.stack([load(name) for name in (*DAMAGED, *HALVED)])
    squares = evaluation_masks("center", len(HALVED), SIZE)
    masks = np.concatenate([np.stack([damage()] * len(DAMAGED)), squares])
    columns = {
        "given": np.where(masks == 1, np.uint8(GREY), truth),
        "TELEA": inpaint_tf.load("telea").fill(truth, masks),
        model: inpaint_tf.load(model).fill(truth, masks),
        "truth": truth,
    }
    grid = image_grid(list(zip(*columns.values(), strict=True)), column_titles=list(columns))
    write_picture(out, Picture(grid))


def damage() -> np.ndarray:
    """Return a mask of lettering, scratches and a spot, (H, W, 1)."""
    mask = Image.new("L", (SIZE, SIZE))
    draw = ImageDraw.Draw(mask)
    draw.text((14, 12), "© Somebody Else", fill=1, font=ImageFont.load_default(size=26))
    draw.line([(10, 240), (120, 130), (246, 110)], fill=1, width=6)
    draw.line([(60, 60), (90, 250)], fill=1, width=4)
    draw.ellipse([158, 140, 218, 196], fill=1)
    return np.asarray(mask)[..., None]


def load(name: str) -> np.ndarray:
    """Return the middle square of one of scikit-image's photographs."""
    with importlib.resources.as_file(importlib.resources.files("skimage") / "data" / name) as path:
        photo = read_rgb(path)
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(photo[top : top + side, left : left + side])
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
