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

import click
from harness import Report, benchmark, spread, take_turns

from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

import numpy as np  # noqa: E402

import inpaint_tf  # noqa: E402
from inpaint_tf.data import open_photos  # noqa: E402
from inpaint_tf.inference import NetworkInpainter  # noqa: E402
from inpaint_tf.masks import EvaluationMasks, MaskMode  # noqa: E402
from inpaint_tf.metrics.lpips_weights import weights_from  # noqa: E402
from inpaint_tf.models import create  # noqa: E402
from inpaint_tf.report.evaluation import evaluate  # noqa: E402

CLOCKS = {"wall": time.perf_counter, "cores": time.process_time}  # cores: of all together


def now() -> np.ndarray:
    """Return what the clocks show, in seconds."""
    return np.array([clock() for clock in CLOCKS.values()])


@benchmark(
    "evaluation",
    "How long an evaluation takes",
    turns=3,
    turns_help="After one on a few photographs, which warms up.",
)
@click.option("--dataset", default="imagenet", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--photographs", type=int, default=400, show_default=True)
@click.option("--image-size", type=int, default=256, show_default=True)
@click.option("--batch-size", type=int, default=8, show_default=True)
@click.option("--lpips-weights", type=click.Path(path_type=Path))
def main(
    report: Report,
    dataset: str,
    data_dir: Path | None,
    photographs: int,
    image_size: int,
    batch_size: int,
    lpips_weights: Path | None,
    turns: int,
) -> None:
    """Compare the seconds of an evaluation with those of its models."""
    photos = open_photos(dataset, data_dir)
    keys = (*photos.test, *photos.train)[:photographs]
    network = NetworkInpainter(create("ca"), MaskMode("hole"), "ca")
    inpainters = [inpaint_tf.load("ns"), inpaint_tf.load("telea"), network]

    def fill_all(keys: tuple[str, ...], masks: EvaluationMasks) -> np.ndarray:
        spent = np.zeros(len(CLOCKS))
        for first in range(0, len(keys), batch_size):
            part = range(first, min(first + batch_size, len(keys)))
            truth = np.stack([photos.load(keys[index], image_size) for index in part])
            holes = np.stack([masks[index] for index in part])
            start = now()  # reading them is not in it
            for inpainter in inpainters:
                inpainter.fill(truth, holes)
            spent += now() - start
        return spent

    def evaluate_all(keys: tuple[str, ...], masks: EvaluationMasks) -> np.ndarray:
        start = now()
        found = evaluate(inpainters, photos, masks, batch_size, keys=keys)
        with tempfile.TemporaryDirectory() as folder:
            found.write(Path(folder))
        spent = now() - start
        click.echo(f"{len(keys)} photographs, not measured: {list(found.unmeasured)}", err=True)
        return spent

    def measure(keys: tuple[str, ...], turns: int) -> dict[str, list[np.ndarray]]:
        given = keys, EvaluationMasks("center", len(keys), image_size, report.seed)
        jobs = {"models": fill_all, "evaluation": evaluate_all}
        calls = {name: functools.partial(job, *given) for name, job in jobs.items()}
        return take_turns(calls, turns, warm_up=0)

    with weights_from(lpips_weights):
        measure(keys[: 2 * batch_size], 1)
        found = measure(keys, turns)
    rows = []
    for index, clock in enumerate(CLOCKS):
        times = {name: [float(spent[index]) for spent in runs] for name, runs in found.items()}
        medians = {name: spread(values)["median"] for name, values in times.items()}
        ratio = medians["evaluation"] / medians["models"]
        rows.append({"clock": clock, **medians, "ratio": ratio, "seconds": times})
    cells = "{clock} | {models:.1f} s | {evaluation:.1f} s | {ratio:.2f}"
    report.table("medians", "clock | models alone | evaluation | ratio", cells, rows)


if __name__ == "__main__":
    main()
