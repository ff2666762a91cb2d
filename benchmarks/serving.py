"""Measure how long a photograph takes: SavedModel beside Keras.

    python benchmarks/serving.py MODEL --turns 5

MODEL is what `inpaint-tf export` takes. Each cell is measured in a process of its own: the first
call, which compiles, and the median of the calls after it.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from harness import Report, Row, benchmark, in_process, spread, take_turns, timed

WAYS = ("SavedModel", "direct call", "predict")
SIZES, BATCHES, PRECISIONS = (256, 512), (1, 8), ("float32", "bfloat16")


@benchmark("serving", "Serving", turns=5, turns_help="Calls after the first.")
@click.argument("model")
def main(report: Report, model: str, turns: int) -> None:
    """Time a batch of photographs in every precision, size and way."""
    heads = " | ".join(f"{way}: first, s | warm, s" for way in WAYS)
    cells = " | ".join(f"{{{way} first:.2f}} | {{{way}:.3f}}" for way in WAYS)
    with tempfile.TemporaryDirectory() as folder:
        report.table(
            "seconds",
            f"precision | pixels | batch | {heads}",
            f"{{precision}} | {{size}} | {{batch}} | {cells}",
            measure_all(model, turns, report.seed, Path(folder)),
        )


def measure_all(model: str, turns: int, seed: int, exported: Path) -> Iterator[Row]:
    """Export the model in each precision, then measure every cell."""
    for precision in PRECISIONS:
        call = [sys.executable, "-m", "inpaint_tf", "export", model, "--precision", precision]
        subprocess.run([*call, "--out", str(exported / precision)], check=True)
    for precision, size, batch in itertools.product(PRECISIONS, SIZES, BATCHES):
        row = {"precision": precision, "size": size, "batch": batch}
        for way in WAYS:
            source = str(exported / precision / "1") if way == WAYS[0] else model
            found = in_process(measure, source, turns, way, precision, size, batch, seed)
            row[f"{way} first"], row[way] = found
        yield row


def measure(
    source: str, turns: int, way: str, precision: str, size: int, batch: int, seed: int
) -> tuple[float, float]:
    """Return the seconds of the first call and the median of the others."""
    from neuralgym_lite.quiet import import_tensorflow

    import_tensorflow()
    fill = timed(make_filler(source, way, precision, size, batch, seed))
    return fill(), spread(take_turns({way: fill}, turns, warm_up=0)[way])["median"]


def make_filler(
    source: str, way: str, precision: str, size: int, batch: int, seed: int
) -> Callable[[], object]:
    """Return a function that fills a batch; the model is loaded here, so this is not timed."""
    import numpy as np
    import tensorflow as tf

    image = np.random.default_rng(seed).integers(0, 256, (batch, size, size, 3), np.uint8)
    mask = np.zeros((batch, size, size, 1), np.uint8)
    mask[:, size // 4 : size * 3 // 4, size // 4 : size * 3 // 4] = 1
    if way == "SavedModel":
        function = tf.saved_model.load(source).signatures["serving_default"]
        return lambda: function(image=tf.constant(image), mask=tf.constant(mask))["output"].numpy()

    import inpaint_tf
    from inpaint_tf.exporters.exporter import POLICIES
    from inpaint_tf.models.precision import with_policy

    model = with_policy(inpaint_tf.load(source).model, POLICIES[precision])
    holes = mask.astype(np.float32)
    masked = model.mask_mode.apply(image, mask)
    if way == "predict":
        return lambda: model.predict((masked, holes), batch_size=batch, verbose=0)
    return lambda: np.asarray(model((masked, holes), training=False)["refined"])


if __name__ == "__main__":
    main()
