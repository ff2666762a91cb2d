"""Time filling and training on a GPU, under JAX, in bfloat16.

    python benchmarks/gpu.py --out docs/results --only fill-256-1,generator-16

Steps are timed in Keras' own `fit`, on one round that is on the GPU already, so that callbacks and
the dispatch of a step count, and the making of data does not. Needs no TensorFlow. Writes
gpu-benchmark.md and gpu-benchmark.json.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
from harness import Report, Row, benchmark, spread, take_turns

os.environ["KERAS_BACKEND"] = "jax"

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

from inpaint_tf.masks import box_mask  # noqa: E402
from inpaint_tf.models import create  # noqa: E402
from inpaint_tf.training.procedures import load_train_config  # noqa: E402
from inpaint_tf.training.rounds import RoundDataset  # noqa: E402
from inpaint_tf.training.run import make_trainer, open_run_photos  # noqa: E402
from neuralgym_lite.backend import compiled  # noqa: E402

PRECISION = "mixed_bfloat16"
FILLS = [(size, batch) for size in (256, 512, 1024) for batch in (1, 16)]
ROUNDS = [("generator", 16), ("generator", 64), ("round", 16), ("round", 64)]
NAMES = [
    *(f"fill-{size}-{batch}" for size, batch in FILLS),
    *(f"{kind}-{batch}" for kind, batch in ROUNDS),
]


def fill(size: int, batch: int) -> Callable[[int], Any]:
    """Return a function that fills pictures with the middle half missing so many times."""
    model = create("ca", dtype=PRECISION)
    mask = np.repeat(box_mask((size // 4,) * 2 + (size // 2,) * 2, size)[None], batch, 0)
    pictures = np.random.default_rng(0).uniform(-1, 1, (batch, size, size, 3)) * (1 - mask)
    inputs = jax.device_put((pictures.astype("float32"), mask.astype("float32")))
    run = compiled(lambda *pair: model(pair, training=False)["refined"], model.variables)

    def repeat(times: int) -> None:
        jax.block_until_ready([run(*inputs) for _ in range(times)][-1])

    return repeat


def train(kind: str, batch: int, size: int) -> Callable[[int], Any]:
    """Return a function that trains so many steps: of the generator, or rounds of 5 critics'."""
    settings = {"data.dataset": "samples", "data.image_size": size, "batch_size": batch}
    settings |= {"precision": PRECISION, "mask.same_box": False}
    if kind == "generator":
        settings |= {"n_critic": 1, "phases.completion": 10**6, "optimizer.name": "muon"}
    config = load_train_config(None, settings)
    trainer = make_trainer(config)
    data = jax.device_put(RoundDataset(open_run_photos(config), config).make(0))

    def repeat(times: int) -> None:
        rounds = ((data,) for _ in range(times))
        trainer.fit(rounds, steps_per_epoch=times, shuffle=False, verbose=0)

    return repeat


def seconds_of(repeat: Callable[[int], Any], times: int) -> Callable[[], float]:
    """Return a function that measures one of many repetitions, without what each call costs."""

    def measure() -> float:
        marks = [time.perf_counter()]
        for count in (1, 1 + times):
            repeat(count)
            marks.append(time.perf_counter())
        first, second = np.diff(marks)
        return float(second - first) / times

    return measure


def measure(names: Sequence[str], turns: int, times: int, side: int) -> Iterator[Row]:
    """Measure one thing after the other."""
    for name in names:
        kind, *numbers = name.split("-")
        batch = int(numbers[-1])
        repeat = fill(int(numbers[0]), batch) if kind == "fill" else train(kind, batch, side)
        start = time.perf_counter()
        repeat(1)
        compiling = time.perf_counter() - start
        found = spread(take_turns({name: seconds_of(repeat, times)}, turns)[name])
        photographs = batch * (5 if kind == "round" else 1)
        memory = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
        yield {
            "name": name,
            "compiling": compiling,
            "photographs": photographs / found["median"],
            "peak": memory / 1e9,
            **{key: found[key] * 1e3 for key in ("median", "low", "high")},
        }


@benchmark("gpu-benchmark", "Speed on a GPU", turns=5)
@click.option("--only", default=",".join(NAMES), show_default=True, help="Comma-separated.")
@click.option("--times", default=20, show_default=True, help="Calls in a measurement.")
@click.option("--side", default=256, show_default=True, help="Of training photographs.")
def main(report: Report, turns: int, only: str, times: int, side: int) -> None:
    """Time filling and training."""
    keras.utils.set_random_seed(report.seed)
    device = jax.devices()[0]
    report.text(
        f"{device.device_kind}, JAX {jax.__version__}, {PRECISION}, width 32. Milliseconds are "
        "medians and quartiles. A round is 5 updates of the critics and one of the generator, and "
        "each takes a batch; of a generator's step the optimizer is Muon. The peak is of this "
        "process up to then."
    )
    heads = "what, side, batch | ms | quartiles | photographs/s | first call | peak memory"
    cells = (
        "{name} | {median:.2f} | {low:.2f} to {high:.2f} | {photographs:.0f} | {compiling:.1f} s | "
        "{peak:.2f} GB"
    )
    report.table("gpu", heads, cells, measure(only.split(","), turns, times, side))


if __name__ == "__main__":
    main()
