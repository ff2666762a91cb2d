"""Score a model on large photographs, the coarse network shown them reduced or not.

    python scripts/compare_coarse.py ca-photos --sizes 384,512,768 --reduced 256,192

Half of the side is missing in the middle. "By itself" is what the model does without
`--coarse-at`.
"""

from __future__ import annotations

import click

import inpaint_tf
from inpaint_tf.data import open_photos
from inpaint_tf.inference import Inpainter
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.report.evaluation import draw, evaluate
from inpaint_tf.report.table import render_table
from neuralgym_lite.images import MAX_SIDE
from neuralgym_lite.progress import Progress
from neuralgym_lite.quiet import import_tensorflow


@click.command()
@click.argument("source", metavar="MODEL")
@click.option("--dataset", default="imagenet+places2", show_default=True)
@click.option("--count", default=24, show_default=True, help="Test photographs.")
@click.option("--sizes", default="384,512,768", show_default=True, help="Pixels a side.")
@click.option("--reduced", default="256,192", show_default=True, help="Pixels, for --coarse-at.")
def main(source: str, dataset: str, count: int, sizes: str, reduced: str) -> None:
    """Print the scores of TELEA and of MODEL at each size."""
    import_tensorflow()
    photos = open_photos(dataset)
    keys = draw(photos.test, count)
    fillers = [inpaint_tf.load("telea"), *variants(source, list(map(int, reduced.split(","))))]
    sides = list(map(int, sizes.split(",")))
    with Progress() as progress:
        track = progress.track(len(sides) * (1 + len(fillers)) * len(keys), "pictures")
        for side in sides:
            masks = evaluation_masks("center", len(keys), side)
            evaluation = evaluate(
                fillers, photos, masks, 1, keys=keys, on_progress=lambda *_: track.advance()
            )
            click.echo(render_table(evaluation))


def variants(source: str, sides: list[int]) -> list[Inpainter]:
    """Return the model by itself, never reduced, and reduced to each side, named so."""
    fillers = [inpaint_tf.load(source, coarse_at=at) for at in (None, MAX_SIDE, *sides)]
    names = ["by itself", "not reduced", *(f"at {side}" for side in sides)]
    for filler, name in zip(fillers, names, strict=True):
        filler.name = name
    return fillers


if __name__ == "__main__":
    main()
