"""Time an evaluation against its models alone: python benchmarks/evaluation.py.

Both fill the same photographs with Navier-Stokes, TELEA and a network of contextual attention in
full width, in batches. The evaluation also reads them, scores every result in every metric and
writes the report.
"""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
from harness import Report, options, spread, take_turns

from neuralgym_lite.progress import Progress
from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

import numpy as np  # noqa: E402

import inpaint_tf  # noqa: E402
from inpaint_tf.data import PhotoSet, open_photos  # noqa: E402
from inpaint_tf.inference import Inpainter, NetworkInpainter  # noqa: E402
from inpaint_tf.masks import EvaluationMasks, MaskMode  # noqa: E402
from inpaint_tf.metrics.lpips_weights import weights_from  # noqa: E402
from inpaint_tf.models import create  # noqa: E402
from inpaint_tf.report.evaluation import evaluate  # noqa: E402


class Seconds(NamedTuple):
    """By the clock on the wall, and of all processor cores together."""

    wall: float
    cores: float

    @classmethod
    def now(cls) -> Seconds:
        """Return what the clocks show."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: Seconds) -> Seconds:
        """Return the time between two moments."""
        return Seconds(self.wall - start.wall, self.cores - start.cores)


@click.command()
@click.option("--dataset", default="imagenet", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--photographs", type=int, default=400, show_default=True)
@click.option("--image-size", type=int, default=256, show_default=True)
@click.option("--batch-size", type=int, default=8, show_default=True)
@click.option("--lpips-weights", type=click.Path(path_type=Path))
@options(turns=3, turns_help="After one on a few photographs, which warms up.")
def main(
    dataset: str,
    data_dir: Path | None,
    photographs: int,
    image_size: int,
    batch_size: int,
    lpips_weights: Path | None,
    turns: int,
    seed: int,
    out: Path | None,
) -> None:
    """Compare the seconds of an evaluation with those of its models."""
    photos = open_photos(dataset, data_dir)
    keys = (*photos.test, *photos.train)[:photographs]
    masks = EvaluationMasks("center", len(keys), image_size, seed)
    network = NetworkInpainter(create("ca"), MaskMode("hole"), "ca")
    inpainters = [inpaint_tf.load("ns"), inpaint_tf.load("telea"), network]

    def measure(count: int, turns: int) -> dict[str, list[Seconds]]:
        given = inpainters, photos, keys[:count], masks, batch_size
        jobs = {"models": time_models, "evaluation": time_evaluation}
        calls = {name: functools.partial(job, *given) for name, job in jobs.items()}
        return take_turns(calls, turns, warm_up=0)

    with weights_from(lpips_weights):
        measure(2 * batch_size, 1)
        found = measure(len(keys), turns)
    rows = []
    for clock in Seconds._fields:
        times = {name: [getattr(each, clock) for each in turn] for name, turn in found.items()}
        medians = {name: spread(values)["median"] for name, values in times.items()}
        ratio = medians["evaluation"] / medians["models"]
        rows.append({"clock": clock, **medians, "ratio": ratio, "seconds": times})
    report = Report("evaluation", "How long an evaluation takes", seed)
    cells = "{clock} | {models:.1f} s | {evaluation:.1f} s | {ratio:.2f}"
    report.table("medians", "clock | models alone | evaluation | ratio", cells, rows)
    report.write(out)


def time_models(
    inpainters: list[Inpainter],
    photos: PhotoSet,
    keys: tuple[str, ...],
    masks: EvaluationMasks,
    batch_size: int,
) -> Seconds:
    """Return the seconds in which the models fill all photographs; reading them is not in it."""
    spent = Seconds(0.0, 0.0)
    for first in range(0, len(keys), batch_size):
        part = range(first, min(first + batch_size, len(keys)))
        truth = np.stack([photos.load(keys[index], masks.size) for index in part])
        holes = np.stack([masks[index] for index in part])
        start = Seconds.now()
        for inpainter in inpainters:
            inpainter.fill(truth, holes)
        part_spent = Seconds.now().since(start)
        spent = Seconds(*map(sum, zip(spent, part_spent, strict=True)))
    return spent


def time_evaluation(
    inpainters: list[Inpainter],
    photos: PhotoSet,
    keys: tuple[str, ...],
    masks: EvaluationMasks,
    batch_size: int,
) -> Seconds:
    """Return the seconds of an evaluation, from the first photograph to the written report."""
    some = EvaluationMasks(masks.kind, len(keys), masks.size, masks.seed)
    start = Seconds.now()
    with Progress() as progress:
        evaluation = evaluate(inpainters, photos, some, batch_size, keys=keys)
        with tempfile.TemporaryDirectory() as folder:
            evaluation.write(Path(folder))
        spent = Seconds.now().since(start)
        progress.log(f"{len(keys)} photographs, not measured: {list(evaluation.unmeasured)}")
    return spent


if __name__ == "__main__":
    main()
