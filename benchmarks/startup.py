"""Measure what a user waits for: whole commands, each in a process of its own.

    python benchmarks/startup.py --turns 5

A photograph of 600x400 pixels with a hole of 80x60 is filled. `--onnx` names a version that
`inpaint-tf export --format onnx` wrote.
"""

from __future__ import annotations

import functools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from harness import Report, Row, benchmark, spread, take_turns
from PIL import Image

HEIGHT, WIDTH = 400, 600
PYTHON = (sys.executable, "-c")
INPAINT_TF = (sys.executable, "-m", "inpaint_tf")


@benchmark("startup", "Start-up", turns=5, turns_help="Runs of each command.")
@click.option("--onnx", help="An exported model, to be filled with as well.")
def main(report: Report, turns: int, onnx: str | None) -> None:
    """Time help, imports and fills, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        report.table(
            "seconds",
            "command | median, s | quartiles, s | processor, s",
            "{command} | {median:.2f} | {low:.2f} to {high:.2f} | {processor:.2f}",
            rows(list_commands(Path(folder), onnx, report.seed), turns),
        )


def list_commands(folder: Path, onnx: str | None, seed: int) -> dict[str, tuple[str, ...]]:
    """Return the commands by name, with a photograph and a mask for those that fill."""
    photo, mask = folder / "photo.png", folder / "mask.png"
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[100:160, 200:280] = 255
    Image.fromarray(pixels).save(photo)
    Image.fromarray(hole).save(mask)
    fill = (*INPAINT_TF, "fill", str(photo), "--mask", str(mask), "--out", str(folder / "out"))
    # A backend that is set is taken, where ONNX Runtime would answer first.
    keras = ("env", "KERAS_BACKEND=tensorflow", *fill)
    exported = {"`fill`, exported as ONNX": (*fill, "--model", onnx)} if onnx else {}
    return {
        "`python -c pass`": (*PYTHON, "pass"),
        "`inpaint-tf --help`": (*INPAINT_TF, "--help"),
        "`python -c 'import tensorflow'`": (*PYTHON, "import tensorflow"),
        "`fill`, telea": (*fill, "--model", "telea"),
        "`fill`, ca-photos by ONNX Runtime": fill,
        "`fill`, ca-photos by TensorFlow": keras,
        **exported,
    }


def rows(commands: dict[str, tuple[str, ...]], turns: int) -> Iterator[Row]:
    """Yield the times of each command."""
    jobs: dict[str, Callable[[], tuple[float, float]]] = {
        name: functools.partial(measure, command) for name, command in commands.items()
    }
    for name, found in take_turns(jobs, turns).items():
        seconds, processor = zip(*found, strict=True)
        yield {"command": name, **spread(seconds), "processor": spread(processor)["median"]}


def measure(command: tuple[str, ...]) -> tuple[float, float]:
    """Run a command; return its seconds, and those of the processor."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor


if __name__ == "__main__":
    main()
