"""Measure how long a photograph takes: SavedModel beside Keras.

    python benchmarks/serving.py MODEL [--turns 5]

MODEL is what `inpaint-tf export` takes. Prints a Markdown table. Each cell is measured in a process
of its own: its first call, with all that it makes ready, and the median of those after it. The ways
take turns, so that they share the machine's good and bad moments.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

WAYS = ("SavedModel", "direct call", "predict")
SIZES, BATCHES, PRECISIONS = (256, 512), (1, 8), ("float32", "bfloat16")


def main() -> None:
    """Measure all cells, or one in a child process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a run folder, a .keras file or an imported folder")
    parser.add_argument("--turns", type=int, default=5, help="calls after the first")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.model, arguments.turns, *arguments.measure.split(","))))
        return
    with tempfile.TemporaryDirectory() as place:
        for precision in PRECISIONS:
            call = [sys.executable, "-m", "inpaint_tf", "export", arguments.model]
            out = str(Path(place, precision))
            subprocess.run([*call, "--out", out, "--precision", precision], check=True)
        show(arguments.model, arguments.turns, Path(place))


def show(model: str, turns: int, exported: Path) -> None:
    """Print the table."""
    columns = " | ".join(f"{way}: first, s | warm, s" for way in WAYS)
    print(f"\n| precision | pixels | batch | {columns} |\n|---|---|---|{'--:|' * 2 * len(WAYS)}")
    for precision in PRECISIONS:
        for size in SIZES:
            for batch in BATCHES:
                cells = []
                for way in WAYS:
                    source = str(exported / precision / "1") if way == WAYS[0] else model
                    what = f"{way},{precision},{size},{batch}"
                    call = [sys.executable, __file__, source, "--turns", str(turns)]
                    done = subprocess.run(
                        [*call, "--measure", what], check=True, stdout=subprocess.PIPE, text=True
                    )
                    first, warm = json.loads(done.stdout.splitlines()[-1])
                    cells.append(f"{first:.2f} | {warm:.3f}")
                print(f"| {precision} | {size} | {batch} | {' | '.join(cells)} |", flush=True)


def measure(
    source: str, turns: int, way: str, precision: str, size: str, batch: str
) -> tuple[float, float]:
    """Return the seconds of the first call and the median of the others."""
    from neuralgym_lite.quiet import import_tensorflow

    import_tensorflow()
    fill = make_filler(source, way, precision, int(size), int(batch))
    seconds = []
    for _ in range(1 + turns):
        start = time.perf_counter()
        fill()
        seconds.append(time.perf_counter() - start)
    return seconds[0], statistics.median(seconds[1:])


def make_filler(
    source: str, way: str, precision: str, size: int, batch: int
) -> Callable[[], object]:
    """Return what fills a batch; loading is not counted, and both see the same hole."""
    import numpy as np
    import tensorflow as tf

    image = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    mask = np.zeros((batch, size, size, 1), np.uint8)
    mask[:, size // 4 : size * 3 // 4, size // 4 : size * 3 // 4] = 1
    if way == "SavedModel":
        function = tf.saved_model.load(source).signatures["serving_default"]
        return lambda: function(image=tf.constant(image), mask=tf.constant(mask))["output"].numpy()

    import inpaint_tf
    from inpaint_tf.export.exporter import POLICIES
    from inpaint_tf.models.precision import with_policy

    model = with_policy(inpaint_tf.load(source).model, POLICIES[precision])
    holes = mask.astype(np.float32)
    masked = model.mask_mode.apply(image, mask)
    if way == "predict":
        return lambda: model.predict((masked, holes), batch_size=batch, verbose=0)
    return lambda: np.asarray(model((masked, holes), training=False)["refined"])


if __name__ == "__main__":
    main()
