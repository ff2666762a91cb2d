"""Measure attention at any resolution: python benchmarks/attention.py WHAT...

    layer       the layer's formulations at 64 to 512 feature pixels a side: seconds, memory
    price       what the approximations cost a trained network's pictures, and what they save
    photographs whole photographs of 1024x1024 to 4000x3000 pixels: seconds, memory
    training    one step at 512x512 pixels: memory

Each measurement is a process of its own, so that the most memory it took is its own. Processes of
one table take turns, so that they share the machine's good and bad moments. Prints Markdown.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import numpy as np

from neuralgym_lite.quiet import import_tensorflow

CHANNELS = 128
HOLE = 0.1  # of the picture's area, a square in the middle
REACH = 7  # features around a hole that what is painted there depends on
SIDES = (64, 128, 256, 512)
# Of the formulations that hold whole maps, the sides that fit into the memory of this machine.
FORMULATIONS = {"reference": 256, "gram": 256, "streamed": 512, "pruned": 512}
APPROXIMATIONS = ("stride", "random", "cluster", "hierarchical")
PHOTOGRAPHS = ((1024, 1024), (2048, 2048), (3000, 4000))


def megabytes() -> float:
    """Return the most memory that this process has taken so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def square_hole(height: int, width: int) -> np.ndarray:
    """Return a mask `(height, width)` with a square hole in the middle."""
    side = round((HOLE * height * width) ** 0.5)
    top, left = (height - side) // 2, (width - side) // 2
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def timed(function: Callable[[], Any], repeats: int) -> list[float]:
    """Return the seconds of each call after one that warms up."""
    function()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begun)
    return seconds


# ----------------------------------------------------------------------------- in a process each


def measure_layer(formulation: str, side: int, dtype: str) -> dict[str, Any]:
    """Time the layer on made-up features with a hole."""
    import_tensorflow()
    import cv2
    import tensorflow as tf

    from inpaint_tf.layers import ContextualAttention

    options: dict[str, Any] = {"formulation": formulation}
    if formulation == "pruned":
        options["formulation"] = "streamed"
    if formulation in APPROXIMATIONS:
        options = {"formulation": "streamed", "approximation": formulation}
    layer = ContextualAttention(dtype=dtype, **options)
    mask = square_hole(side, side)
    around = cv2.dilate(mask, np.ones((2 * REACH + 1,) * 2, np.uint8))
    mask, around = (tf.constant(each[None, ..., None], tf.float32) for each in (mask, around))
    features = tf.constant(
        np.random.default_rng(0).normal(0, 0.3, (1, side, side, CHANNELS)).astype("float32")
    )
    needed = around if formulation == "pruned" else None
    run = tf.function(lambda *maps: layer(maps[0], maps[0], maps[1], needed=needed))
    before = megabytes()
    seconds = timed(lambda: run(features, mask).numpy(), 3 if side < 256 else 1)
    return {"seconds": min(seconds), "megabytes": megabytes() - before}


def measure_photograph(height: int, width: int, dtype: str, memory: float) -> dict[str, Any]:
    """Fill one photograph with a network in full width."""
    import_tensorflow()
    import cv2
    from skimage import data

    from inpaint_tf.inference import NetworkInpainter
    from inpaint_tf.masks import MaskMode
    from inpaint_tf.models import create

    image = cv2.resize(data.astronaut(), (width, height), interpolation=cv2.INTER_CUBIC)
    mask = square_hole(height, width)
    model = create("ca", dtype=dtype)
    inpainter = NetworkInpainter(model, MaskMode("hole"), "ca", memory=int(memory * 1e9))
    begun = time.perf_counter()
    filled = inpainter.fill(image, mask)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    inpainter.fill(image, mask)
    again = time.perf_counter() - begun
    if np.any(filled[mask == 0] != image[mask == 0]):
        raise AssertionError("known pixels have changed")
    return {"first": first, "seconds": again, "megabytes": megabytes()}


def measure_training(size: int, dtype: str) -> dict[str, Any]:
    """Train two rounds with both critics."""
    import_tensorflow()
    from inpaint_tf.training.procedures import load_train_config
    from inpaint_tf.training.rounds import RoundDataset
    from inpaint_tf.training.run import make_trainer, open_run_photos
    from neuralgym_lite.pipeline import index_driven

    flags = {"data.dataset": "samples", "data.image_size": size, "batch_size": 1, "n_critic": 1}
    config = load_train_config(None, {**flags, "precision": dtype})
    trainer = make_trainer(config)
    rounds = index_driven(RoundDataset(open_run_photos(config), config).make, 0, 3)
    begun = time.perf_counter()
    trainer.fit(rounds, steps_per_epoch=3, shuffle=False, verbose=0)
    return {"seconds": (time.perf_counter() - begun) / 3, "megabytes": megabytes()}


MEASURES: dict[str, Callable[..., dict[str, Any]]] = {
    "layer": measure_layer,
    "photograph": measure_photograph,
    "training": measure_training,
}


def in_process(name: str, *arguments: Any) -> dict[str, Any]:
    """Measure in a new process."""
    command = [sys.executable, __file__, "--measure", json.dumps([name, *arguments])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)  # noqa: S603
    if done.returncode:
        return {"seconds": float("nan"), "megabytes": float("nan")}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def in_turns(jobs: dict[Any, tuple[Any, ...]], turns: int) -> dict[Any, dict[str, float]]:
    """Measure every job in every turn; return the median of the seconds, the most memory."""
    found: dict[Any, list[dict[str, Any]]] = {key: [] for key in jobs}
    for _ in range(turns):
        for key, job in jobs.items():
            found[key].append(in_process(*job))
    return {
        key: {
            name: (max if name == "megabytes" else statistics.median)(each[name] for each in runs)
            for name in runs[0]
        }
        for key, runs in found.items()
    }


# ----------------------------------------------------------------------------------------- tables


def layer_table(turns: int, dtype: str) -> Iterator[str]:
    """Yield the rows of the layer's formulations."""
    yield f"| features | {' | '.join(f'{name}: s | MB' for name in FORMULATIONS)} |"
    yield f"|---|{'--:|' * 2 * len(FORMULATIONS)}"
    for side in SIDES:
        jobs = {
            name: ("layer", name, side, dtype)
            for name, most in FORMULATIONS.items()
            if side <= most
        }
        found = in_turns(jobs, turns)
        cells = []
        for name in FORMULATIONS:
            each = found.get(name)
            cells.append(f"{each['seconds']:.3f} | {each['megabytes']:.0f}" if each else " | ")
        yield f"| {side}x{side} | {' | '.join(cells)} |"


def photograph_table(turns: int) -> Iterator[str]:
    """Yield the rows of whole photographs."""
    yield "| photograph | precision | memory allowed, GB | first fill, s | again, s | peak, GB |"
    yield "|---|---|--:|--:|--:|--:|"
    jobs = {
        (height, width, dtype, memory): ("photograph", height, width, dtype, memory)
        for height, width in PHOTOGRAPHS
        for dtype, memory in (("float32", 4), ("mixed_bfloat16", 4), ("float32", 2))
        if memory == 4 or height < 3000
    }
    for (height, width, dtype, memory), each in in_turns(jobs, turns).items():
        yield (
            f"| {width}x{height} | {dtype} | {memory} | {each['first']:.1f} | "
            f"{each['seconds']:.1f} | {each['megabytes'] / 1000:.2f} |"
        )


def training_table(turns: int) -> Iterator[str]:
    """Yield the rows of training."""
    yield "| size | precision | peak, GB |\n|---|---|--:|"
    jobs = {(512, dtype): ("training", 512, dtype) for dtype in ("float32", "mixed_bfloat16")}
    for (size, dtype), each in in_turns(jobs, turns).items():
        yield f"| {size}x{size}, batch 1 | {dtype} | {each['megabytes'] / 1000:.2f} |"


def price_table(turns: int, run: str, dataset: str, photographs: int, side: int) -> Iterator[str]:
    """Yield the rows of the approximations: seconds and memory at one size, pictures at 256."""
    exact = ("streamed", "gram")
    jobs = {name: ("layer", name, side, "float32") for name in (*exact, *APPROXIMATIONS)}
    found = in_turns(jobs, turns)
    pictures = price_of_pictures(run, dataset, photographs)
    yield (
        f"| attention | s, {side}x{side} features | MB | same arg-max | MSE to exact | L1 | PSNR | "
        "LPIPS | MSE to truth | L1 | PSNR |"
    )
    yield f"|---|{'--:|' * 10}"
    for name in jobs:
        cells = " | ".join(pictures.get(name, ["exact", *[""] * 7]))
        seconds, memory = found[name]["seconds"], found[name]["megabytes"]
        yield f"| {name} | {seconds:.2f} | {memory:.0f} | {cells} |"


def price_of_pictures(run: str, dataset: str, photographs: int) -> dict[str, list[str]]:
    """Fill test photographs with each approximation, and compare with the exact attention."""
    import_tensorflow()
    import inpaint_tf
    from inpaint_tf import metrics
    from inpaint_tf.data import open_photos
    from inpaint_tf.layers import ContextualAttention
    from inpaint_tf.masks import EvaluationMasks

    photos = open_photos(dataset)
    keys = photos.test[:photographs]
    truth = np.stack([photos.load(key, 256) for key in keys])
    kept = EvaluationMasks("center", len(keys), 256)
    masks = np.stack([kept[index] for index in range(len(keys))])

    def fill(approximation: str | None) -> tuple[np.ndarray, np.ndarray]:
        inpainter: Any = inpaint_tf.load(run)
        attention = inpainter.model.refinement.attention
        config = {**attention.get_config(), "approximation": approximation}
        inpainter.model.refinement.attention = ContextualAttention.from_config(config)
        parts = [
            inpainter.fill_with_attention(truth[i : i + 4], masks[i : i + 4])
            for i in range(0, len(keys), 4)
        ]
        filled, offsets = zip(*parts, strict=True)
        return np.concatenate(filled), np.concatenate(offsets)

    def scores(reference: np.ndarray, pictures: np.ndarray, with_lpips: bool) -> list[str]:
        kinds = [(metrics.mse, ".2f"), (metrics.l1, ".3f"), (metrics.psnr, ".2f")]
        values = [f"{kind(reference, pictures).mean():{form}}" for kind, form in kinds]
        if with_lpips:
            values.append(f"{metrics.lpips(reference, pictures).mean():.4f}")
        return values

    exact, places = fill(None)
    holes = masks[:, ::8, ::8, 0] == 1
    rows = {"streamed": ["exact", *[""] * 4, *scores(truth, exact, with_lpips=False)]}
    for name in APPROXIMATIONS:
        filled, found = fill(name)
        same = (found == places).all(-1)[holes].mean()
        against = scores(exact, filled, with_lpips=bool(os.environ.get("INPAINT_TF_WEIGHTS")))
        against += [""] * (4 - len(against))
        rows[name] = [f"{same:.1%}", *against, *scores(truth, filled, with_lpips=False)]
    return rows


@click.command(help=(__doc__ or "").splitlines()[0])
@click.argument("what", nargs=-1)
@click.option("--turns", default=3, show_default=True)
@click.option("--dtype", default="float32", show_default=True, help="Of the layer.")
@click.option("--run", help="A trained run, for the price of approximations.")
@click.option("--dataset", default="animals", show_default=True)
@click.option("--photographs", default=64, show_default=True)
@click.option("--side", default=256, show_default=True, help="Features a side, for the price.")
@click.option("--measure", hidden=True)
def main(
    what: tuple[str, ...],
    turns: int,
    dtype: str,
    run: str | None,
    dataset: str,
    photographs: int,
    side: int,
    measure: str | None,
) -> None:
    """Print tables, or in a process of its own one measurement."""
    if measure:
        name, *arguments = json.loads(measure)
        print(json.dumps(MEASURES[name](*arguments)))
        return
    tables: dict[str, Callable[[], Iterator[str]]] = {
        "layer": lambda: layer_table(turns, dtype),
        "photographs": lambda: photograph_table(turns),
        "training": lambda: training_table(turns),
        "price": lambda: price_table(turns, run or "", dataset, photographs, side),
    }
    for name in what or ("layer", "photographs", "training"):
        if name not in tables or (name == "price" and not run):
            raise click.UsageError(f"Not one of {', '.join(tables)} (price with --run): {name}")
        print(f"\n## {name} (turns: {turns})\n", flush=True)
        for row in tables[name]():
            print(row, flush=True)


if __name__ == "__main__":
    main()
