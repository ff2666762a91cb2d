"""`inpaint-tf report`: the paper's tables and figures, from trained runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inpaint_tf.cli import _options
from inpaint_tf.cli._echo import echo_lines
from inpaint_tf.cli._options import COUNT, PATH, add_options, with_options
from inpaint_tf.cli.evaluate import bar, print_failures
from neuralgym_lite.backend import import_backend
from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import atomic_path, atomic_write
from neuralgym_lite.progress import Progress

if TYPE_CHECKING:
    from inpaint_tf.data import PhotoSet
    from inpaint_tf.masks import EvaluationMasks
    from inpaint_tf.report.figures import Images

_out = click.option("--out", required=True, type=PATH, help="PNG to write.")
_data_dir = click.option("--data-dir", type=PATH, help="Where the data set is.")
_models = click.argument("sources", metavar="MODEL...", nargs=-1, required=True)
_with_data_set = add_options(
    click.option("--dataset", default="animals"),
    _data_dir,
    _options.mask_kind,
    click.option("--image-size", type=click.IntRange(min=16), default=256, help="Pixels."),
    _options.seed,
)
_with_photographs = add_options(
    _with_data_set,
    click.option(
        "--count", type=COUNT, default=6, help="Number of test photographs, chosen at random."
    ),
    _out,
)


@click.group("report")
def command() -> None:
    """Make the paper's tables and figures from trained runs."""


@command.command("table2")
@click.option(
    "--row", "rows", multiple=True, metavar="NAME=RUN", help="Row of the table and its model."
)
@click.option(
    "--runs",
    type=PATH,
    default=Path("runs"),
    help="Folder that is searched for the rows that no --row names.",
)
@_with_data_set
@_options.limit
@click.option(
    "--all-photographs", is_flag=True, help="Use the training split too (for NS and TELEA)."
)
@_options.batch_size
@_options.lpips_weights
@click.option(
    "--paper-definitions", is_flag=True, help="Print our scores by the paper's definitions."
)
@click.option("--out", type=PATH, help="Folder for table2.md and the evaluation.")
def table2(
    rows: tuple[str, ...],
    runs: Path,
    limit: int | None,
    batch_size: int,
    lpips_weights: Path | None,
    paper_definitions: bool,
    out: Path | None,
    **chosen: Any,
) -> None:
    """Print Table II of the paper beside the same rows measured here.

    Every model fills the same holes of the same photographs. A row without a trained run is marked
    as not trained. Scores by the paper's definitions and by those of `inpaint-tf evaluate` are
    measured in one pass.
    """
    import_backend()
    import inpaint_tf
    from inpaint_tf.metrics.lpips_weights import weights_from
    from inpaint_tf.report import table2 as table
    from inpaint_tf.report.evaluation import evaluate

    sources = {**table.find_sources(runs), **dict(map(table.parse_row, rows))}
    if "Autoencoder" in sources:
        sources[table.RAW] = sources["Autoencoder"]
    photos, keys, masks = _draw(count=limit, **chosen)
    fillers = [table.RowFiller(name, inpaint_tf.load(source)) for name, source in sources.items()]
    models = [{**each.inpainter.provenance(), "name": each.name} for each in fillers]
    with weights_from(lpips_weights), Progress() as progress:
        evaluation = evaluate(
            fillers,
            photos,
            masks,
            batch_size,
            keys=keys,
            metrics=table.TABLE2_METRICS,
            settings={"models": models, "mask": chosen["mask"], "seed": chosen["seed"]},
            on_progress=bar(progress),
        )
    trained = {each["name"]: f"{each['iteration']:,}" for each in models if "iteration" in each}
    tables = {paper: table.render_table2(evaluation, trained, paper) for paper in (False, True)}
    echo_lines(with_options(tables[paper_definitions]))
    if out:
        evaluation.write(out)
        atomic_write(out / "table2.md", f"{tables[False]}\n\n{tables[True]}\n".encode())
    if evaluation.failed or evaluation.broken:
        print_failures(evaluation)
        sys.exit(1)


@command.command("curves")
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option(
    "--scalar",
    "scalars",
    multiple=True,
    default=("loss", "train_loss,val_loss", "val_mse", "val_l1"),
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
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option("--out", required=True, type=PATH, help="HTML file to write.")
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
@_models
@_with_photographs
def compare(sources: tuple[str, ...], out: Path, **chosen: Any) -> None:
    """Figure 9: one row for each photograph, one column for each MODEL."""
    import_backend()
    import inpaint_tf
    from inpaint_tf.report.figures import comparison_figure
    from neuralgym_lite.image_writing import write_picture
    from neuralgym_lite.images import Picture

    inpainters = [inpaint_tf.load(source) for source in sources]
    write_picture(out, Picture(comparison_figure(inpainters, *_test_photographs(**chosen))))


@figures.command("attention")
@click.argument("source", metavar="MODEL")
@_with_photographs
def attention(source: str, out: Path, **chosen: Any) -> None:
    """Figure 8: masked input, result and attention map of MODEL."""
    import_backend()
    import inpaint_tf
    from inpaint_tf.report.figures import attention_figure
    from neuralgym_lite.image_writing import write_picture
    from neuralgym_lite.images import Picture

    write_picture(
        out, Picture(attention_figure(inpaint_tf.load(source), *_test_photographs(**chosen)))
    )


@figures.command("remove")
@_models
@click.option("--photograph", required=True, type=PATH)
@click.option("--mask", "mask_file", type=PATH, help="Mask file; white is removed.")
@click.option("--box", "boxes", multiple=True, metavar="LEFT,TOP,RIGHT,BOTTOM")
@click.option("--polygon", "polygons", multiple=True, metavar="X,Y,X,Y,X,Y...")
@click.option("--mask-out", type=PATH, help="Save the combined mask as this PNG.")
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
    from neuralgym_lite.image_writing import write_picture
    from neuralgym_lite.images import Picture, read_mask, read_rgb

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
    write_picture(out, Picture(removal_figure(inpainters, picture, mask)))
    if mask_out:
        write_picture(mask_out, Picture((mask * 255)[..., None].repeat(3, axis=-1), grey=True))


@figures.command("worst")
@click.argument("source", metavar="MODEL")
@click.option(
    "--evaluation",
    "folder",
    type=PATH,
    help="Folder of its evaluation. [default: MODEL/evaluation]",
)
@_data_dir
@click.option("--metric", default="mse_hole_255")
@click.option("--count", type=COUNT, default=4)
@_out
def worst(
    source: str, folder: Path | None, data_dir: Path | None, metric: str, count: int, out: Path
) -> None:
    """Figure 11: the photographs with the worst scores in an evaluation of MODEL."""
    import_backend()
    import inpaint_tf
    from inpaint_tf.report.figures import worst_figure
    from neuralgym_lite.image_writing import write_picture
    from neuralgym_lite.images import Picture

    folder = folder or Path(source, "evaluation")
    write_picture(
        out, Picture(worst_figure(inpaint_tf.load(source), folder, metric, count, data_dir))
    )


def _draw(
    dataset: str,
    data_dir: Path | None,
    mask: str,
    image_size: int,
    seed: int,
    count: int | None,
    all_photographs: bool = False,
) -> tuple[PhotoSet, tuple[str, ...], EvaluationMasks]:
    """Return a data set, the keys of some of its test photographs, and a hole for each."""
    from inpaint_tf.data import open_photos
    from inpaint_tf.data.split import draw
    from inpaint_tf.masks import EvaluationMasks

    photos = open_photos(dataset, data_dir)
    keys = (*photos.test, *(photos.train if all_photographs else ()))
    keys = draw(keys, count or len(keys))
    return photos, keys, EvaluationMasks(mask, len(keys), image_size, seed)


def _test_photographs(image_size: int, **chosen: Any) -> tuple[list[Images], list[Images]]:
    """Return photographs of the test split, and a hole for each."""
    photos, keys, masks = _draw(image_size=image_size, **chosen)
    return [photos.load(key, image_size) for key in keys], [masks[i] for i in range(len(keys))]


def _numbers(text: str) -> list[int]:
    """Return the whole numbers of a list with commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"'{text}' is not a list of whole numbers joined by commas") from None
