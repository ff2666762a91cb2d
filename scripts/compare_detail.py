"""Score what `fill --detail` adds, with one of its constants changed at a time.

    python scripts/compare_detail.py ca-photos --dataset imagenet+places2 --count 64

256 pixels; a hole of 128x128 in the middle, or strokes. Seconds are those of a photograph's detail.
"""

from __future__ import annotations

import time

import click
import numpy as np

import inpaint_tf
from inpaint_tf.data import open_photos
from inpaint_tf.inference import detail
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.report.evaluation import draw
from neuralgym_lite.progress import Progress
from neuralgym_lite.quiet import import_tensorflow

SIZE = 256
BATCH = 8
VARIANTS = {
    "AMOUNT": (0.5, 1.0),
    "SIGMA": (2.0, 4.0),
    "RAMP": (1, 16),
    "SHIFTS": (4, 8, 24, 96),
    "ALIKE": (0.0, 8.0),
    "TOLERANCE": (3.0, 12.0),
}


@click.command()
@click.argument("source", metavar="MODEL")
@click.option("--dataset", default="imagenet+places2", show_default=True)
@click.option("--count", default=64, show_default=True, help="Test photographs.")
@click.option("--mask", "kind", default="center", show_default=True, help="Or strokes.")
def main(source: str, dataset: str, count: int, kind: str) -> None:
    """Print the scores of TELEA, of MODEL alone, and of it with detail, as it is and varied."""
    import_tensorflow()
    photos = open_photos(dataset)
    keys = draw(photos.test, count)
    truth = np.stack([photos.load(key, SIZE) for key in keys])
    masks = evaluation_masks(kind, len(keys), SIZE)
    telea = inpaint_tf.load("telea").fill(truth, masks)
    model = inpaint_tf.load(source, detail=False)
    filled = np.concatenate(
        [
            model.fill(truth[start : start + BATCH], masks[start : start + BATCH])
            for start in range(0, len(keys), BATCH)
        ]
    )
    click.echo("| | MSE | L1 | LPIPS | s |\n|---|--:|--:|--:|--:|")
    show("telea", truth, telea)
    show(source, truth, filled)
    changes = [(name, value) for name, values in VARIANTS.items() for value in values]
    with Progress() as progress:
        track = progress.track(1 + len(changes), "variants")
        show("with detail", truth, *detailed(filled, masks))
        track.advance()
        for name, value in changes:
            usual = getattr(detail, name)
            setattr(detail, name, value)
            detail._compiled.cache_clear()  # the graph has the constants in it
            show(f"{name} {value:g}, not {usual:g}", truth, *detailed(filled, masks))
            setattr(detail, name, usual)
            detail._compiled.cache_clear()
            track.advance()


def detailed(filled: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, float]:
    """Return fills with detail, and the seconds of each."""
    begin = time.perf_counter()
    pictures = [detail.add_detail(*pair) for pair in zip(filled, masks[..., 0], strict=True)]
    return np.stack(pictures), (time.perf_counter() - begin) / len(filled)


def show(name: str, truth: np.ndarray, filled: np.ndarray, seconds: float | None = None) -> None:
    """Print a row of the table."""
    metrics = inpaint_tf.metrics
    mse, l1, lpips = (
        float(np.mean(metric(truth, filled))) for metric in (metrics.mse, metrics.l1, metrics.lpips)
    )
    took = "" if seconds is None else f"{seconds:.3f}"
    click.echo(f"| {name} | {mse:.1f} | {l1:.2f} | {lpips:.4f} | {took} |")


if __name__ == "__main__":
    main()
