"""`inpaint-tf report`: the paper's tables and figures, from trained runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inpaint_tf.cli._echo import echo
from inpaint_tf.cli._options import with_options
from neuralgym_lite.backend import import_backend
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import Picture, atomic_path, atomic_write, read_mask, read_rgb
from neuralgym_lite.images import write_picture as write
from neuralgym_lite.progress import Progress

if TYPE_CHECKING:
    from inpaint_tf.report.figures import Images

_PATH = click.Path(path_type=Path)
_out = click.option("--out", required=True, type=_PATH, help="PNG to write.")
_dataset = (
    click.option("--dataset", default="animals", show_default=True),
    click.option("--data-dir", type=_PATH, help="Where the data set is."),
    click.option(
        "--mask", default="center", show_default=True, metavar="center|hole|strokes", help="Holes."
    ),
    click.option(
        "--image-size", type=click.IntRange(min=16), default=256, show_default=True, help="Pixels."
    ),
    click.option("--seed", default=0, show_default=True, help="Random seed of the holes."),
)
_photographs = (
    *_dataset,
    click.option(
        "--count",
        type=click.IntRange(min=1),
        default=6,
        show_default=True,
        help="Number of test photographs, chosen at random.",
    ),
    _out,
)


def _with(options: tuple[Callable[..., Any], ...]) -> Callable[[Any], Any]:
    """Return a decorator that gives a command several options."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.group("report")
def command() -> None:
    """Make the paper's tables and figures from trained runs."""


@command.command("table2")
@click.option(
    "--row", "rows", multiple=True, metavar="NAME=RUN", help="Row of the table and its model."
)
@click.option(
    "--runs",
    type=_PATH,
    default=Path("runs"),
    show_default=True,
    help="Folder that is searched for the rows that no --row names.",
)
@_with(_dataset)
@click.option("--limit", type=click.IntRange(min=1), help="Number of test photographs.")
@click.option(
    "--all-photographs", is_flag=True, help="Use the training split too (for NS and TELEA)."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--lpips-weights", type=_PATH, help="Weights file of LPIPS.")
@click.option(
    "--paper-definitions", is_flag=True, help="Print our scores by the paper's definitions."
)
@click.option("--out", type=_PATH, help="Folder for table2.md and the evaluation.")
def table2(
    rows: tuple[str, ...],
    runs: Path,
    dataset: str,
    data_dir: Path | None,
    mask: str,
    image_size: int,
    seed: int,
    limit: int | None,
    all_photographs: bool,
    batch_size: int,
    lpips_weights: Path | None,
    paper_definitions: bool,
    out: Path | None,
) -> None:
    """Print Table II of the paper beside the same rows measured here.

    Every model fills the same holes of the same photographs. A row without a trained run is marked
    as not trained. Scores by the paper's definitions and by those of `inpaint-tf evaluate` are
    measured in one pass.
    """
    import_backend()
    import inpaint_tf
    from inpaint_tf.data import open_photos
    from inpaint_tf.data.split import draw
    from inpaint_tf.masks import EvaluationMasks
    from inpaint_tf.metrics.lpips_weights import weights_from
    from inpaint_tf.report.evaluation import evaluate
    from inpaint_tf.report.table2 import (
        RAW,
        TABLE2_METRICS,
        RowFiller,
        find_sources,
        parse_row,
        render_table2,
    )

    sources = {**find_sources(runs), **dict(map(parse_row, rows))}
    if "Autoencoder" in sources:
        sources[RAW] = sources["Autoencoder"]
    photos = open_photos(dataset, data_dir)
    keys = (*photos.test, *(photos.train if all_photographs else ()))
    keys = draw(keys, limit or len(keys))
    fillers = [RowFiller(name, inpaint_tf.load(source)) for name, source in sources.items()]
    models = [{**each.inpainter.provenance(), "name": each.name} for each in fillers]
    with weights_from(lpips_weights), Progress() as progress:
        track = progress.track(len(keys), "photographs")
        evaluation = evaluate(
            fillers,
            photos,
            EvaluationMasks(mask, len(keys), image_size, seed),
            batch_size,
            keys=keys,
            metrics=TABLE2_METRICS,
            settings={"models": models, "mask": mask, "seed": seed},
            on_progress=lambda done, total, name: track.advance(
                done * len(keys) // total - track.done, name
            ),
        )
    trained = {each["name"]: f"{each['iteration']:,}" for each in models if "iteration" in each}
    tables = {paper: render_table2(evaluation, trained, paper) for paper in (False, True)}
    for line in tables[paper_definitions].splitlines():
        echo(with_options(line))
    if out:
        evaluation.write(out)
        atomic_write(out / "table2.md", f"{tables[False]}\n\n{tables[True]}\n".encode())
    failures = [*evaluation.failed.values(), *evaluation.broken]
    for message in failures:
        echo(f"Failed: {message}", err=True)
    if failures:
        sys.exit(1)


@command.command("curves")
@click.argument("runs", nargs=-1, required=True, type=_PATH)
@click.option(
    "--scalar",
    "scalars",
    multiple=True,
    default=("loss", "train_loss,val_loss", "val_mse", "val_l1"),
    show_default=True,
    help="Scalar to plot in a panel of its own. Names joined by commas share a panel.",
)
@_out
def curves(runs: tuple[Path, ...], scalars: tuple[str, ...], out: Path) -> None:
    """Plot the training curves of RUNS (Figures 6 and 7 of the paper)."""
    import_backend()
    from inpaint_tf.report.curves import draw_curves

    figure = draw_curves(runs, scalars)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


@command.command("training-page")
@click.argument("runs", nargs=-1, required=True, type=_PATH)
@click.option("--out", required=True, type=_PATH, help="HTML file to write.")
def training_page(runs: tuple[Path, ...], out: Path) -> None:
    """Write an HTML page that shows how RUNS, each trained from the one before, went.

    The page contains the preview photographs of the runs: share it only if you may share those.
    """
    import_backend()
    from inpaint_tf.report.training_page import render_training_page

    atomic_write(out, render_training_page(runs).encode())


@command.group("figures")
def figures() -> None:
    """Draw a figure of the paper as a PNG file."""


@figures.command("compare")
@click.argument("sources", metavar="MODEL...", nargs=-1, required=True)
@_with(_photographs)
def compare(sources: tuple[str, ...], out: Path, **chosen: Any) -> None:
    """Figure 9: one row for each photograph, one column for each MODEL."""
    import_backend()
    import inpaint_tf
    from inpaint_tf.report.figures import comparison_figure

    inpainters = [inpaint_tf.load(source) for source in sources]
    write(out, Picture(comparison_figure(inpainters, *_test_photographs(**chosen))))


@figures.command("attention")
@click.argument("source", metavar="MODEL")
@_with(_photographs)
def attention(source: str, out: Path, **chosen: Any) -> None:
    """Figure 8: masked input, result and attention map of MODEL."""
    import_backend()
    import inpaint_tf
    from inpaint_tf.report.figures import attention_figure

    write(out, Picture(attention_figure(inpaint_tf.load(source), *_test_photographs(**chosen))))


@figures.command("remove")
@click.argument("sources", metavar="MODEL...", nargs=-1, required=True)
@click.option("--photograph", required=True, type=_PATH)
@click.option("--mask", "mask_file", type=_PATH, help="Mask file; white is removed.")
@click.option("--box", "boxes", multiple=True, metavar="LEFT,TOP,RIGHT,BOTTOM")
@click.option("--polygon", "polygons", multiple=True, metavar="X,Y,X,Y,X,Y...")
@click.option("--mask-out", type=_PATH, help="Save the combined mask as this PNG.")
@_out
def remove(
    sources: tuple[str, ...],
    photograph: Path,
    mask_file: Path | None,
    boxes: tuple[str, ...],
    polygons: tuple[str, ...],
    mask_out: Path | None,
    out: Path,
) -> None:
    """Figure 10: remove what a mask, boxes or polygons mark in a photograph."""
    import_backend()
    import inpaint_tf
    from inpaint_tf.report.figures import draw_mask, removal_figure

    picture = read_rgb(photograph)
    corners = [_numbers(polygon) for polygon in polygons]
    mask = draw_mask(
        picture.shape[:2],
        [_numbers(box) for box in boxes],
        [[line[i : i + 2] for i in range(0, len(line), 2)] for line in corners],
    )
    if mask_file:
        drawn = read_mask(mask_file)
        mask = drawn if not mask.any() else mask | drawn
    inpainters = [inpaint_tf.load(source) for source in sources]
    write(out, Picture(removal_figure(inpainters, picture, mask)))
    if mask_out:
        write(mask_out, Picture((mask * 255)[..., None].repeat(3, axis=-1), grey=True))


@figures.command("worst")
@click.argument("source", metavar="MODEL")
@click.option(
    "--evaluation",
    "folder",
    type=_PATH,
    help="Folder of its evaluation. [default: MODEL/evaluation]",
)
@click.option("--data-dir", type=_PATH, help="Where the data set is.")
@click.option("--metric", default="mse_hole_255", show_default=True)
@click.option("--count", type=click.IntRange(min=1), default=4, show_default=True)
@_out
def worst(
    source: str, folder: Path | None, data_dir: Path | None, metric: str, count: int, out: Path
) -> None:
    """Figure 11: the photographs with the worst scores in an evaluation of MODEL."""
    import_backend()
    import inpaint_tf
    from inpaint_tf.report.figures import worst_figure

    folder = folder or Path(source, "evaluation")
    write(out, Picture(worst_figure(inpaint_tf.load(source), folder, metric, count, data_dir)))


def _test_photographs(
    dataset: str, data_dir: Path | None, mask: str, image_size: int, seed: int, count: int
) -> tuple[list[Images], list[Images]]:
    """Return photographs of the test split, and a hole for each."""
    from inpaint_tf.data import open_photos
    from inpaint_tf.data.split import draw
    from inpaint_tf.masks import EvaluationMasks

    photos = open_photos(dataset, data_dir)
    keys = draw(photos.test, count)
    masks = EvaluationMasks(mask, len(keys), image_size, seed)
    return [photos.load(key, image_size) for key in keys], [masks[i] for i in range(len(keys))]


def _numbers(text: str) -> list[int]:
    """Return the whole numbers of a list with commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"'{text}' is not a list of whole numbers joined by commas") from None
