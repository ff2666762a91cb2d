"""Fill holes in flat and evenly shaded pictures, and print how far the fills are from them.

    python benchmarks/flat_backgrounds.py --sizes 64,256,512,1024,2048 --count 40
    python benchmarks/flat_backgrounds.py --sizes 64,256,512 --count 20 --no-detail

Pictures have one color or a gradient between two; holes are squares, oblongs, strokes and corners
of up to 80 % of each side. All are drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import cv2
import numpy as np
from harness import Report, Row, benchmark
from numpy.typing import NDArray

import inpaint_tf
from neuralgym_lite.quiet import import_tensorflow

UInt8 = NDArray[np.uint8]
FORMS = ("square", "oblong", "stroke", "corner")


@benchmark("flat_backgrounds", "Flat backgrounds")
@click.option("--model", "source", default="ca-photos", show_default=True)
@click.option("--sizes", default="64,256,512,1024,2048", show_default=True, help="Pixels a side.")
@click.option("--count", default=40, show_default=True, help="Pictures of each size.")
@click.option("--detail/--no-detail", default=None, help="As of `inpaint-tf fill`.")
def main(report: Report, source: str, sizes: str, count: int, detail: bool | None) -> None:
    """Print the mean and the largest error in the worst hole of each size, in gray levels."""
    import_tensorflow()
    inpainter = inpaint_tf.load(source, detail=detail)

    def rows() -> Iterator[Row]:
        for side in map(int, sizes.split(",")):
            errors = []
            for index in range(count):
                truth, mask = draw(np.random.default_rng((report.seed, side, index)), side)
                shown = np.where(mask[..., None] == 1, 0, truth).astype(np.uint8)
                filled = inpainter.fill(shown, mask)
                errors.append(np.abs(filled.astype(int) - truth)[mask == 1])
            means = [float(error.mean()) for error in errors]
            largest = max(int(error.max()) for error in errors)
            found = {"mean": float(np.mean(means)), "worst": max(means), "largest": largest}
            yield {"side": side, "count": count, **found}

    heads = "side | pictures | mean error | worst mean | largest error"
    cells = "{side:d} | {count:d} | {mean:.2f} | {worst:.2f} | {largest:d}"
    report.table("errors", heads, cells, rows())


def draw(rng: np.random.Generator, side: int) -> tuple[UInt8, UInt8]:
    """Draw a picture of one color or a gradient, and a mask, 1 where it is missing."""
    height, width = side, int(rng.integers(max(side // 2, 64), side + 1))
    colors = rng.integers(0, 256, (2, 3))
    if rng.random() < 0.5:
        colors[1] = colors[0]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width]
    along = y / height * np.sin(angle) + x / width * np.cos(angle)
    along = (along - along.min()) / np.ptp(along)
    picture = np.rint(colors[0] + (colors[1] - colors[0]) * along[..., None]).astype(np.uint8)

    mask = np.zeros((height, width), np.uint8)
    tall, wide = (max(int(edge * rng.uniform(0.1, 0.8)), 4) for edge in (height, width))
    form = FORMS[rng.integers(len(FORMS))]
    if form == "square":
        tall = wide = min(tall, wide)
    top, left = (int(rng.integers(0, room + 1)) for room in (height - tall, width - wide))
    if form == "corner":
        top, left = height - tall, width - wide
    if form == "stroke":
        ends = (left, top), (left + wide - 1, top + tall - 1)
        cv2.line(mask, *ends, 1, max(side // 20, 2))
    else:
        mask[top : top + tall, left : left + wide] = 1
    return picture, mask


if __name__ == "__main__":
    main()
