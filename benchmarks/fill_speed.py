"""Measure what a hole costs: the whole photograph, or what the hole depends on, by each engine.

    python benchmarks/fill_speed.py --turns 7

The network of `ca-photos` in float32, without detail, on one photograph with a square hole in its
middle. *whole* is one graph of TensorFlow for all pixels, as exported models and GPUs run it.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from harness import Report, Row, benchmark, spread, take_turns

from inpaint_tf.inference.inpainter import DEFAULT_MEMORY, Inpainter
from inpaint_tf.inference.network import NetworkInpainter
from inpaint_tf.inference.onnx_inpainter import OnnxInpainter
from inpaint_tf.model_source import ModelSource
from inpaint_tf.models.precision import with_policy

# Side of the photograph and of the hole.
CASES = ((256, 40), (256, 128), (512, 40), (512, 128), (512, 256))


@benchmark("fill_speed", "What a hole costs", turns=7, turns_help="Fills of each kind.")
def main(report: Report, turns: int) -> None:
    """Time fills of holes, in turn."""
    engines = make_engines()
    report.text("Medians of interleaved fills. Compare processor seconds on a busy machine.")
    heads = "photograph | hole | engine | wall, s | quartiles | processor, s | of whole"
    cells = (
        "{size} | {hole} | {engine} | {median:.2f} | {low:.2f} to {high:.2f} | "
        "{processor:.2f} | {share:.0%}"
    )
    report.table("fills", heads, cells, rows(engines, turns, report.seed))


def make_engines() -> dict[str, Inpainter]:
    """Return the inpainters by name; the first one is what the others are compared with."""
    source = ModelSource.find("ca-photos")
    model = with_policy(source.load_generator(), "float32")
    whole, holes = (NetworkInpainter(model, model.mask_mode, "ca-photos") for _ in range(2))
    whole._in_pieces = False
    onnx = OnnxInpainter.load(source, DEFAULT_MEMORY, None, detail=False)
    assert onnx is not None  # noqa: S101
    return {"TensorFlow, whole": whole, "TensorFlow": holes, "ONNX Runtime": onnx}


def rows(engines: dict[str, Inpainter], turns: int, seed: int) -> Iterator[Row]:
    """Yield the times of each engine on each case."""
    rng = np.random.default_rng(seed)
    for size, hole in CASES:
        image = rng.integers(0, 256, (size, size, 3), np.uint8)
        mask = np.zeros((size, size), np.uint8)
        start = (size - hole) // 2
        mask[start : start + hole, start : start + hole] = 1
        jobs: dict[str, Callable[[], tuple[float, float]]] = {
            name: partial(measure, engine, image, mask) for name, engine in engines.items()
        }
        base = None
        for name, found in take_turns(jobs, turns).items():
            wall, processor = zip(*found, strict=True)
            median = spread(processor)["median"]
            base = base or median
            row = {"size": size, "hole": hole, "engine": name, **spread(wall)}
            yield {**row, "processor": median, "share": median / base}


def measure(inpainter: Inpainter, image: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Fill once; return the seconds of the wall clock and of the processor."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    inpainter.fill(image, mask, detail=False)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
