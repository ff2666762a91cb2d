"""Time a folder of photographs against its network alone: python benchmarks/folder.py.

The same photographs are filled in three ways: in memory; from a folder to another, where one is
filled while the next is read and the last is written, as `inpaint-tf fill` does; and from a folder
to another, one after the other. The ways take turns every few photographs, because the load of a
machine changes. Without `--data` the photographs are synthetic, with sides of 256 to 600 pixels.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from harness import Report, Row, benchmark, spread, take_turns
from PIL import Image

import inpaint_tf
from inpaint_tf.inference import Inpainter
from inpaint_tf.inference.photographs import Job, Result, fill_photographs, plan_jobs
from neuralgym_lite.image_folders import list_images
from neuralgym_lite.images import read_levels, read_picture

LEAST, MOST = 256, 600  # pixels a side
GRAIN = 8  # grey levels
WARM_UP = 4  # photographs


@benchmark(
    "folder", "How fast a folder is filled", turns=1, turns_help="Times that all are filled."
)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Folder to take from.")
@click.option("--photographs", default=500, show_default=True)
@click.option("--chunk", default=25, show_default=True, help="Photographs between two ways.")
@click.option("--model", default="ca-photos", show_default=True)
def main(
    report: Report, data: Path | None, photographs: int, chunk: int, model: str, turns: int
) -> None:
    """Compare the photographs a second of a folder with those of its network."""
    inpainter = inpaint_tf.load(model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photographs(folder / "photographs", data, photographs, report.seed)
        make_masks(folder, report.seed)
        jobs = plan_jobs([folder / "photographs"], folder / "masks", folder / "out")
        pixels = np.mean([read_levels(job.masks[0]).size for job in jobs])
        report.text(f"{model}, {len(jobs)} photographs of {pixels:,.0f} pixels on average.")
        measure(inpainter, jobs[:WARM_UP], 1)
        rates: dict[str, list[float]] = defaultdict(list)
        for start in range(0, len(jobs), chunk):
            for way, found in measure(inpainter, jobs[start : start + chunk], turns).items():
                rates[way] += found
        report.table(
            "rates",
            "way | photographs/s | quartiles | share of the network's rate | quartiles",
            "{way} | {median:.2f} | {low:.2f} to {high:.2f} | {share:.3f} "
            "| {share low:.3f} to {share high:.3f}",
            rows(rates),
        )


def make_photographs(folder: Path, data: Path | None, count: int, seed: int) -> None:
    """Copy photographs, or draw some: smooth colors and grain, as JPEG and every fourth as PNG."""
    folder.mkdir()
    for index, name in enumerate(list_images(data)[:count] if data else ()):
        shutil.copy(Path(data or "", name), folder / f"{index:06d}{Path(name).suffix}")
    rng = np.random.default_rng(seed)
    for index in range(0 if data else count):
        width, height = rng.integers(LEAST, MOST, 2, endpoint=True)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        grain = rng.integers(-GRAIN, GRAIN, smooth.shape, np.int16)
        suffix = "jpg" if index % 4 else "png"
        pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:06d}.{suffix}")


def make_masks(folder: Path, seed: int) -> None:
    """Write a mask for each photograph, with a hole of a quarter of its sides."""
    rng = np.random.default_rng(seed)
    (folder / "masks").mkdir()
    for name in list_images(folder / "photographs"):
        height, width = read_picture(folder / "photographs" / name).rgb.shape[:2]
        top, left = rng.integers(0, (height * 3 // 4, width * 3 // 4))
        mask = np.zeros((height, width), np.uint8)
        mask[top : top + height // 4, left : left + width // 4] = 255
        Image.fromarray(mask).save(folder / "masks" / f"{Path(name).stem}.png")


def measure(inpainter: Inpainter, jobs: Sequence[Job], turns: int) -> dict[str, list[float]]:
    """Return the photographs a second of each way and turn."""
    given = [(read_picture(job.source), read_levels(job.masks[0])) for job in jobs]

    def in_memory() -> None:
        for picture, levels in given:
            inpainter.fill(picture, levels)

    def overlapping() -> None:
        check(list(fill_photographs(inpainter, jobs)))

    def one_by_one() -> None:
        check([result for job in jobs for result in fill_photographs(inpainter, [job])])

    def rate(way: Callable[[], None]) -> Callable[[], float]:
        def run() -> float:
            start = time.perf_counter()
            way()
            return len(jobs) / (time.perf_counter() - start)

        return run

    ways = {"network": in_memory, "folder": overlapping, "folder, one by one": one_by_one}
    return take_turns({name: rate(way) for name, way in ways.items()}, turns, warm_up=0)


def check(results: Sequence[Result]) -> None:
    """Refuse to time photographs that are not filled."""
    for result in results:
        if result.status != "filled":
            raise click.ClickException(f"{result.status}: {result.message}")


def rows(rates: dict[str, list[float]]) -> Iterator[Row]:
    """Yield the rates of each way, and their ratios to the network's on the same photographs."""
    for way, found in rates.items():
        shares = [one / own for one, own in zip(found, rates["network"], strict=True)]
        share = spread(shares)
        yield {
            "way": way,
            **spread(found),
            "share": share["median"],
            "share low": share["low"],
            "share high": share["high"],
            "rates": found,
        }


if __name__ == "__main__":
    main()
