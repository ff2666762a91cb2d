"""Measures the edges of filled holes: python tools/seams.py ca-photos --out seams.png.

The measure is the step across the border of a center hole, divided by the step of the photograph at
the same pixels: 1 is invisible, a larger value is a seam, a smaller one is blurred.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import numpy as np

import inpaint_tf
from inpaint_tf.data import open_photos
from inpaint_tf.data.split import draw
from inpaint_tf.inference.blending import poisson_blend
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.report.grid import image_grid
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import Picture
from neuralgym_lite.progress import Progress
from neuralgym_lite.quiet import import_tensorflow

SIZE = 256
SHOWN = 16
ABREAST = 4


@click.command()
@click.argument("sources", metavar="MODEL...", nargs=-1, required=True)
@click.option("--dataset", default="animals", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--blend", is_flag=True, help="Draw blended results.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="PNG of the last MODEL."
)
def main(
    sources: tuple[str, ...], dataset: str, data_dir: Path | None, blend: bool, out: Path
) -> None:
    """Print the steps of TELEA and each MODEL, with and without blending; draw 16 results."""
    import_tensorflow()
    photos = open_photos(dataset, data_dir)
    models = [inpaint_tf.load(source) for source in ("telea", *sources)]
    shown = draw(photos.test, SHOWN)
    mask = evaluation_masks("center", 1, SIZE)[0]
    steps: dict[str, list[float]] = defaultdict(list)
    pictures = {}
    with Progress() as progress:
        track = progress.track(len(photos.test), "photographs")
        for key in photos.test:
            truth = photos.load(key, SIZE)
            for model in models:
                filled = model.fill(truth, mask)
                blended = poisson_blend(filled, mask[..., 0])
                for name, picture in ((model.name, filled), (f"{model.name}, blended", blended)):
                    steps[name].append(border_step(picture, mask) / border_step(truth, mask))
            if key in shown:
                pictures[key] = blended if blend else filled
            track.advance()
    print("| method | mean | median | above 1.25 |\n|---|--:|--:|--:|")
    for name, values in steps.items():
        high = np.mean(np.array(values) > 1.25)
        print(f"| {name} | {np.mean(values):.2f} | {np.median(values):.2f} | {high:.0%} |")
    cells = [pictures[key] for key in shown]
    rows = [cells[start : start + ABREAST] for start in range(0, len(cells), ABREAST)]
    write_picture(out, Picture(image_grid(rows)))


def border_step(picture: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean difference, in gray levels, of a known and a missing neighbor."""
    levels, missing = picture.astype(float), mask[..., 0] == 1
    steps = []
    for axis in (0, 1):
        crossing = np.diff(missing, axis=axis)
        steps.append(np.abs(np.diff(levels, axis=axis))[crossing])
    return float(np.concatenate(steps).mean())


if __name__ == "__main__":
    main()
