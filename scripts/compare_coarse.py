"""Score a model on large photographs, the coarse network shown them reduced or not.

    python scripts/compare_coarse.py ca-photos --sizes 384,512,768 --reduced 256,192

Half of the side is missing in the middle. "By itself" is what the model does without
`--coarse-at`.
"""

from __future__ import annotations

import click
import numpy as np

import inpaint_tf
from inpaint_tf.data import open_photos
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.report.evaluation import draw
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
    largest = max(map(int, sizes.split(",")))
    fillers = {"telea": inpaint_tf.load("telea"), "by itself": inpaint_tf.load(source)}
    for pixels in (largest, *map(int, reduced.split(","))):
        fillers[f"at {pixels}"] = inpaint_tf.load(source, coarse_at=pixels)
    fillers["not reduced"] = fillers.pop(f"at {largest}")
    click.echo("| side | coarse | MSE | L1 | LPIPS |\n|--:|---|--:|--:|--:|")
    with Progress() as progress:
        track = progress.track(len(fillers) * count * len(sizes.split(",")), "pictures")
        for size in map(int, sizes.split(",")):
            masks = evaluation_masks("center", len(keys), size)
            for name, filler in fillers.items():
                scores = []
                for key, mask in zip(keys, masks, strict=True):
                    truth = photos.load(key, size)
                    filled = filler.fill(truth, mask)
                    metrics = inpaint_tf.metrics
                    each = (metrics.mse, metrics.l1, metrics.lpips)
                    scores.append([float(np.mean(metric(truth, filled))) for metric in each])
                    track.advance()
                mse, l1, lpips = np.mean(scores, axis=0)
                click.echo(f"| {size} | {name} | {mse:.1f} | {l1:.2f} | {lpips:.4f} |")


if __name__ == "__main__":
    main()
