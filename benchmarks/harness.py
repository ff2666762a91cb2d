"""Shared code of the benchmarks: interleaved timing, processes, statistics, tables and files."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from neuralgym_lite.folders import atomic_write

Key = TypeVar("Key")
Result = TypeVar("Result")
Row = Mapping[str, Any]


# ------------------------------------------------------------------------------------- measuring


def take_turns(
    jobs: Mapping[Key, Callable[[], Result]], turns: int, warm_up: int = 1
) -> dict[Key, list[Result]]:
    """Call jobs in turn, repeatedly, so that all of them see the same load of the machine.

    Results of the first `warm_up` turns are dropped.
    """
    found: dict[Key, list[Result]] = {name: [] for name in jobs}
    for turn in range(-warm_up, turns):
        for name, job in jobs.items():
            result = job()
            if turn >= 0:
                found[name].append(result)
    return found


def timed(job: Callable[[], Any]) -> Callable[[], float]:
    """Return a function that calls a job and returns the seconds up to its result."""

    def run() -> float:
        start = time.perf_counter()
        np.asarray(job())
        return time.perf_counter() - start

    return run


def in_process(measure: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function of a benchmark in a new process, so that its memory can be measured.

    Raises:
        BrokenProcessPool: If the process dies, for example because it runs out of memory.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the quartiles, the smallest value and the number of values."""
    low, median, high = (float(each) for each in np.quantile(values, [0.25, 0.5, 0.75]))
    return {"median": median, "low": low, "high": high, "min": min(values), "n": len(values)}


def environment(seed: int) -> dict[str, Any]:
    """Return the command, the machine and the versions."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.is_file() else []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    return {
        "command": shlex.join(["python", *sys.argv]),
        "seed": seed,
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("tensorflow", "keras", "numpy") if find_spec(name)},
        "malloc": {k: v for k, v in os.environ.items() if k.startswith("MALLOC_")},
    }


# -------------------------------------------------------------------------------------- reporting


def benchmark(
    name: str, title: str, turns: int | None = None, turns_help: str = "Measurements of each kind."
) -> Callable[[Callable[..., None]], click.Command]:
    """Return a decorator that makes a command of a function that measures.

    The function gets a `Report` and its own options. The command also has `--seed`, `--out`, where
    the report is written, and, if `turns` is their default, `--turns`, which the function gets.
    """

    def decorate(function: Callable[..., None]) -> click.Command:
        @click.option("--seed", default=0, show_default=True)
        @click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.")
        @functools.wraps(function)
        def run(seed: int, out: Path | None, **arguments: Any) -> None:
            report = Report(name, title, seed)
            function(report, **arguments)
            report.write(out)

        if turns is not None:
            run = click.option("--turns", default=turns, show_default=True, help=turns_help)(run)
        return click.command()(run)

    return decorate


class Report:
    """Prints results as Markdown as they are measured, and writes them to files.

    Args:
        name: name of the files, without a suffix.
        title: heading.
        seed: random seed of the benchmark.
    """

    def __init__(self, name: str, title: str, seed: int) -> None:
        self.name = name
        self.seed = seed
        self.lines: list[str] = []
        about = environment(seed)
        self.data: dict[str, Any] = {"environment": about}
        self.text(
            f"# {title}",
            f"`{about['command']}` on {about['processor']}, {about['cores']} cores, Python "
            f"{about['python']}, TensorFlow {about.get('tensorflow', 'none')}, Keras "
            f"{about['keras']}. "
            f"malloc: {about['malloc'] or 'default'}. Seed {seed}.",
        )

    def text(self, *paragraphs: str) -> None:
        """Add paragraphs."""
        for paragraph in paragraphs:
            self._print(*(["", paragraph] if self.lines else [paragraph]))

    def table(self, key: str, heads: str, cells: str, rows: Iterable[Row]) -> None:
        """Add a table, row by row.

        Args:
            key: key of the rows in the JSON file.
            heads: headings, separated by `|`.
            cells: format strings of the cells, separated by `|`. Fields are keys of a row. A cell
                with a format, such as `{seconds:.3f}`, is aligned right.
            rows: dicts of JSON types.
        """
        found = self.data.setdefault(key, [])
        kinds = ["--:" if re.search(r"\{[^}]+:", form) else "---" for form in cells.split("|")]
        self._print("", f"| {heads} |", f"|{'|'.join(kinds)}|")
        for row in rows:
            found.append(row)
            self._print(f"| {cells.format_map(row)} |")

    def write(self, out: Path | None) -> None:
        """Write NAME.md and NAME.json to a folder, if one is given."""
        if out:
            out.mkdir(parents=True, exist_ok=True)
            atomic_write(out / f"{self.name}.md", ("\n".join(self.lines) + "\n").encode())
            text = json.dumps(self.data, indent=2)
            atomic_write(out / f"{self.name}.json", f"{text}\n".encode())

    def _print(self, *lines: str) -> None:
        self.lines += lines
        print(*lines, sep="\n", flush=True)
