"""The paper's figures of pictures, from trained runs; a command each.

    python scripts/figures.py compare RUN... --out figure-9.png
    python scripts/figures.py attention RUN --dataset places2 --out figure-8.png
    python scripts/figures.py remove RUN --photograph photo.jpg --box 40,60,120,200 --out f10.png
    python scripts/figures.py worst RUN --out figure-11.png

`scripts/training_curves.py` draws Figures 6 and 7. `worst` reads what `inpaint-tf evaluate RUN`
left in the run folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from neuralgym_lite.errors import UserError
from neuralgym_lite.images import Picture, read_mask, read_rgb, write_picture
from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

import inpaint_tf  # noqa: E402
from inpaint_tf.data import open_photos  # noqa: E402
from inpaint_tf.masks import EvaluationMasks  # noqa: E402
from inpaint_tf.report.evaluation import draw  # noqa: E402
from inpaint_tf.report.figures import (  # noqa: E402
    attention_figure,
    comparison_figure,
    draw_mask,
    removal_figure,
    worst_photographs,
)

OUT = click.option("--out", required=True, type=click.Path(path_type=Path), help="PNG to write.")
PHOTOGRAPHS = (
    click.option("--dataset", default="animals", show_default=True),
    click.option("--data-dir", type=click.Path(path_type=Path)),
    click.option("--count", default=6, show_default=True, help="Photographs, drawn at random."),
    click.option("--mask", default="center", show_default=True, help="center, hole or strokes."),
    click.option("--image-size", default=256, show_default=True),
    click.option("--seed", default=0, show_default=True, help="Of the holes."),
)


def with_photographs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose photographs and holes."""
    for option in reversed((*PHOTOGRAPHS, OUT)):
        command = option(command)
    return command


def load_photographs(
    dataset: str, data_dir: Path | None, count: int, mask: str, image_size: int, seed: int
) -> tuple[list[Any], list[Any]]:
    """Return photographs of the test split, and a hole for each."""
    photos = open_photos(dataset, data_dir)
    keys = draw(photos.test, count)
    masks = EvaluationMasks(mask, len(keys), image_size, seed)
    truths = [photos.load(key, image_size) for key in keys]
    return truths, [masks[index] for index in range(len(keys))]


@click.group()
def main() -> None:
    """Draw a figure."""


@main.command()
@click.argument("sources", nargs=-1, required=True)
@with_photographs
def compare(sources: tuple[str, ...], out: Path, **chosen: Any) -> None:
    """Figure 9: photographs as rows, methods as columns."""
    inpainters = [inpaint_tf.load(source) for source in sources]
    write_picture(out, Picture(comparison_figure(inpainters, *load_photographs(**chosen))))


@main.command()
@click.argument("source")
@with_photographs
def attention(source: str, out: Path, **chosen: Any) -> None:
    """Figure 8: masked input, result, attention map."""
    figure = attention_figure(inpaint_tf.load(source), *load_photographs(**chosen))
    write_picture(out, Picture(figure))


@main.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--photograph", required=True, type=click.Path(path_type=Path))
@click.option("--mask", "mask_file", type=click.Path(path_type=Path), help="White is removed.")
@click.option("--box", "boxes", multiple=True, metavar="LEFT,TOP,RIGHT,BOTTOM")
@click.option("--polygon", "polygons", multiple=True, metavar="X,Y,X,Y,X,Y...")
@click.option("--mask-out", type=click.Path(path_type=Path), help="Keep the mask, as a PNG.")
@OUT
def remove(
    sources: tuple[str, ...],
    photograph: Path,
    mask_file: Path | None,
    boxes: tuple[str, ...],
    polygons: tuple[str, ...],
    mask_out: Path | None,
    out: Path,
) -> None:
    """Figure 10: remove what a mask, boxes or polygons mark."""
    picture = read_rgb(photograph)
    corners = [numbers(polygon) for polygon in polygons]
    mask = draw_mask(
        picture.shape[:2],
        [numbers(box) for box in boxes],
        [[line[i : i + 2] for i in range(0, len(line), 2)] for line in corners],
    )
    if mask_file:
        drawn = read_mask(mask_file)
        mask = drawn if not mask.any() else mask | drawn
    inpainters = [inpaint_tf.load(source) for source in sources]
    write_picture(out, Picture(removal_figure(inpainters, picture, mask)))
    if mask_out:
        write_picture(mask_out, Picture((mask * 255)[..., None].repeat(3, axis=-1), grey=True))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--evaluation", type=click.Path(path_type=Path), help="[default: RUN/evaluation]")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--metric", default="mse_hole_255", show_default=True)
@click.option("--count", default=4, show_default=True)
@OUT
def worst(
    run: Path, evaluation: Path | None, data_dir: Path | None, metric: str, count: int, out: Path
) -> None:
    """Figure 11: the photographs on which a run did worst."""
    folder = evaluation or run / "evaluation"
    inpainter = inpaint_tf.load(run)
    found = worst_photographs(folder / "per_image.csv", inpainter.name, metric, count)
    document = json.loads((folder / "metrics.json").read_text("utf-8"))
    settings, size = document["settings"], document["dataset"]["image_size"]
    photos = open_photos(document["dataset"]["name"], data_dir)
    keys = draw(photos.test, settings["limit"] or len(photos.test))
    masks = EvaluationMasks(settings["mask"], len(keys), size, settings["seed"])
    figure = comparison_figure(
        [inpainter],
        [photos.load(key, size) for key in found],
        [masks[keys.index(key)] for key in found],
        [f"{score:.0f}" for score in found.values()],
    )
    write_picture(out, Picture(figure))


def numbers(text: str) -> list[int]:
    """Return the whole numbers of a list with commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"'{text}' is no list of whole numbers with commas") from None


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"Error: {error}")
