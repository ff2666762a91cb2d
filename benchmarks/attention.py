"""Measure attention at any resolution: python benchmarks/attention.py WHAT...

    layer       the layer's formulations at 64 to 512 feature pixels a side: seconds, memory
    price       loss of quality and gain of speed of the approximations in a trained network
    photographs whole photographs of 1024x1024 to 4000x3000 pixels: seconds, memory
    training    one step at 512x512 pixels: memory

Each measurement is a process of its own, so that the most memory it took is its own.
"""

from __future__ import annotations

import functools
import os
import resource
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import click
import numpy as np
from harness import Report, Row, benchmark, in_process, spread, take_turns, timed

from neuralgym_lite.quiet import import_tensorflow

Measured = dict[str, float]

CHANNELS = 128
HOLE = 0.1  # of the picture's area, a square in the middle
REACH = 7  # features around a hole that influence its content
SIDES = (64, 128, 256, 512)
# Of the formulations that hold whole maps, the sides that fit into the memory of this machine.
FORMULATIONS = {"reference": 256, "gram": 256, "streamed": 512, "pruned": 512}
APPROXIMATIONS = ("stride", "random", "cluster", "hierarchical")
PRICES = (
    "same arg-max",
    *("MSE to exact", "L1 to exact", "PSNR to exact", "LPIPS to exact"),
    *("MSE to truth", "L1 to truth", "PSNR to truth"),
)
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


# ----------------------------------------------------------------------------- in a process each


def measure_layer(formulation: str, side: int, dtype: str) -> Measured:
    """Time the layer on made-up features with a hole."""
    import_tensorflow()
    import cv2
    import tensorflow as tf

    from inpaint_tf.layers import ContextualAttention

    exact = formulation if formulation in ("reference", "gram") else "streamed"
    approximation = formulation if formulation in APPROXIMATIONS else None
    layer = ContextualAttention(dtype=dtype, formulation=exact, approximation=approximation)
    mask = square_hole(side, side)
    around = cv2.dilate(mask, np.ones((2 * REACH + 1,) * 2, np.uint8))
    mask, around = (tf.constant(each[None, ..., None], tf.float32) for each in (mask, around))
    features = tf.constant(
        np.random.default_rng(0).normal(0, 0.3, (1, side, side, CHANNELS)).astype("float32")
    )
    needed = around if formulation == "pruned" else None
    run = tf.function(lambda *maps: layer(maps[0], maps[0], maps[1], needed=needed))
    before = megabytes()
    seconds = take_turns({"": timed(lambda: run(features, mask))}, 3 if side < 256 else 1)[""]
    return {"seconds": min(seconds), "megabytes": megabytes() - before}


def measure_photograph(height: int, width: int, dtype: str, memory: float) -> Measured:
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
    fill = timed(lambda: inpainter.fill(image, mask))
    return {"first": fill(), "seconds": fill(), "megabytes": megabytes()}


def measure_training(size: int, dtype: str) -> Measured:
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
    trainer.fit(rounds, steps_per_epoch=3, shuffle=False, verbose=0)
    return {"megabytes": megabytes()}


def measure(jobs: dict[Any, tuple[Any, ...]], turns: int) -> dict[Any, Measured]:
    """Measure jobs in turn, each in a process; return medians of seconds, and the most memory.

    Args:
        jobs: name to a function and its arguments.
        turns: how often.
    """
    calls = {name: functools.partial(_survived, *job) for name, job in jobs.items()}
    found = {}
    for name, runs in take_turns(calls, turns, warm_up=0).items():
        columns = {key: [each[key] for each in runs] for key in runs[0]}
        found[name] = {
            key: max(values) if key == "megabytes" else spread(values)["median"]
            for key, values in columns.items()
        }
    return found


def _survived(function: Callable[..., Measured], *arguments: Any) -> Measured:
    try:
        return in_process(function, *arguments)
    except BrokenProcessPool:  # out of memory
        return dict.fromkeys(("first", "seconds", "megabytes"), float("nan"))


# ----------------------------------------------------------------------------------------- tables


def layer_rows(turns: int, dtype: str) -> Iterator[Row]:
    """Yield the rows of the layer's formulations."""
    for side in SIDES:
        names = [name for name, most in FORMULATIONS.items() if side <= most]
        jobs = {name: (measure_layer, name, side, dtype) for name in names}
        for name, found in measure(jobs, turns).items():
            yield {"side": side, "formulation": name, **found}


def photograph_rows(turns: int) -> Iterator[Row]:
    """Yield the rows of whole photographs."""
    jobs = {
        (height, width, dtype, memory): (measure_photograph, height, width, dtype, memory)
        for height, width in PHOTOGRAPHS
        for dtype, memory in (("float32", 4), ("mixed_bfloat16", 4), ("float32", 2))
        if memory == 4 or height < 3000
    }
    for job, each in measure(jobs, turns).items():
        names = zip(("height", "width", "dtype", "memory"), job, strict=True)
        yield {**dict(names), **each, "peak": each["megabytes"] / 1000}


def training_rows(turns: int, size: int = 512) -> Iterator[Row]:
    """Yield the rows of training."""
    jobs = {dtype: (measure_training, size, dtype) for dtype in ("float32", "mixed_bfloat16")}
    for dtype, each in measure(jobs, turns).items():
        yield {"size": size, "dtype": dtype, "peak": each["megabytes"] / 1000}


def price_rows(turns: int, run: str, dataset: str, photographs: int, side: int) -> Iterator[Row]:
    """Yield the rows of the approximations: seconds and memory at one size, pictures at 256."""
    names = ("streamed", "gram", *APPROXIMATIONS)
    found = measure({name: (measure_layer, name, side, "float32") for name in names}, turns)
    pictures = price_of_pictures(run, dataset, photographs)
    for name in names:
        prices = " | ".join(pictures.get(name, ["exact", *[""] * 7]))
        yield {"name": name, **found[name], "prices": prices}


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
            inpainter.fill(truth[i : i + 4], masks[i : i + 4], return_attention=True)
            for i in range(0, len(keys), 4)
        ]
        filled, offsets = zip(*parts, strict=True)
        return np.concatenate(filled), np.concatenate(offsets)

    def scores(reference: np.ndarray, pictures: np.ndarray) -> list[str]:
        kinds = [(metrics.mse, ".2f"), (metrics.l1, ".3f"), (metrics.psnr, ".2f")]
        return [f"{kind(reference, pictures).mean():{form}}" for kind, form in kinds]

    exact, places = fill(None)
    holes = masks[:, ::8, ::8, 0] == 1
    rows = {"streamed": ["exact", *[""] * 4, *scores(truth, exact)]}
    for name in APPROXIMATIONS:
        filled, found = fill(name)
        same = f"{(found == places).all(-1)[holes].mean():.1%}"
        measured = os.environ.get("INPAINT_TF_WEIGHTS")
        distance = f"{metrics.lpips(exact, filled).mean():.4f}" if measured else ""
        rows[name] = [same, *scores(exact, filled), distance, *scores(truth, filled)]
    return rows


@benchmark("attention", "Attention at any resolution", turns=3)
@click.argument("what", nargs=-1, type=click.Choice(["layer", "photographs", "training", "price"]))
@click.option("--dtype", default="float32", show_default=True, help="Of the layer.")
@click.option("--run", help="A trained run, for the price of approximations.")
@click.option("--dataset", default="animals", show_default=True)
@click.option("--photographs", default=64, show_default=True)
@click.option("--side", default=256, show_default=True, help="Features a side, for the price.")
def main(
    report: Report,
    what: tuple[str, ...],
    dtype: str,
    run: str | None,
    dataset: str,
    photographs: int,
    side: int,
    turns: int,
) -> None:
    """Measure attention at any resolution: one table or several."""
    what = what or ("layer", "photographs", "training")
    if "price" in what and not run:
        raise click.UsageError("The price of approximations needs a trained --run.")
    tables = {
        "layer": (
            "features | formulation | s | MB",
            "{side}x{side} | {formulation} | {seconds:.3f} | {megabytes:.0f}",
            layer_rows(turns, dtype),
        ),
        "photographs": (
            "photograph | precision | memory allowed, GB | first fill, s | again, s | peak, GB",
            "{width}x{height} | {dtype} | {memory:g} | {first:.1f} | {seconds:.1f} | {peak:.2f}",
            photograph_rows(turns),
        ),
        "training": (
            "size | precision | peak, GB",
            "{size}x{size}, batch 1 | {dtype} | {peak:.2f}",
            training_rows(turns),
        ),
        "price": (
            f"attention | s, {side}x{side} features | MB | {' | '.join(PRICES)}",
            "{name} | {seconds:.2f} | {megabytes:.0f} | {prices}",
            price_rows(turns, run or "", dataset, photographs, side),
        ),
    }
    for name in what:
        report.text(f"## {name} (turns: {turns})")
        report.table(name, *tables[name])


if __name__ == "__main__":
    main()
