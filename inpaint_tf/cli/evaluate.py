"""`inpaint-tf evaluate`: score models and the classical methods on the same holes."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inpaint_tf.cli._echo import echo, echo_json
from inpaint_tf.cli._options import with_options
from inpaint_tf.model_source import MAX_SIDE, ModelSource
from neuralgym_lite.backend import import_backend
from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import make_folder
from neuralgym_lite.progress import Progress, Track

if TYPE_CHECKING:
    from inpaint_tf.report.result import Evaluation


@click.command("evaluate")
@click.argument("sources", metavar="FROM...", nargs=-1, required=True)
@click.option("--dataset", metavar="NAME", help="Data set. Default: the run's, else 'animals'.")
@click.option(
    "--data-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the data set lies. Without --dataset and a run that names one: any folder.",
)
@click.option(
    "--mask",
    metavar="center|hole|strokes",
    default="center",
    show_default=True,
    help="Square in the middle; squares, or strokes of a brush, at fixed random places.",
)
@click.option(
    "--image-size",
    type=click.IntRange(min=16, max=MAX_SIDE),
    help="Side in pixels. Default: the run's, else 256.",
)
@click.option(
    "--limit", type=click.IntRange(min=1, max=10**9), help="Take N photographs of the test split."
)
@click.option("--batch-size", type=click.IntRange(min=1, max=4096), default=8, show_default=True)
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for the results. Default: 'evaluation' in the run folder, else here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Score 'ns' and 'telea' as well.",
)
@click.option("--blend", is_flag=True, help="Score each FROM as `fill --blend` fills, too.")
@click.option(
    "--detail/--no-detail",
    default=None,
    help="Score each FROM as `fill --detail` or `fill --no-detail` fills.",
)
@click.option(
    "--lpips-weights",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Weights of LPIPS. Default: $INPAINT_TF_WEIGHTS, then the cache folder.",
)
def command(
    sources: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Score each FROM on the test split: a run folder, a name, a saved model, 'ns' or 'telea'.

    All fill the same holes. The table goes to stdout; report.html, metrics.json, per_image.csv and
    grid.png to the folder of --out.
    """
    import_backend()
    from inpaint_tf import api
    from inpaint_tf.report.table import render_table

    with _folder_for_results(out or _default_out(sources[0])) as folder:
        with Progress() as progress:
            evaluation = api.evaluate(
                sources,
                **options,
                log=functools.partial(echo, err=True),
                on_progress=_bar(progress),
            )
        try:
            evaluation.write(folder)
        finally:
            if as_json:
                echo_json(evaluation.to_json())
            else:
                for line in render_table(evaluation).split("\n"):
                    echo(with_options(line))
    echo(f"Wrote report.html, metrics.json, per_image.csv and grid.png to '{folder}'.", err=True)
    if _print_failures(evaluation):
        sys.exit(1)


@contextlib.contextmanager
def _folder_for_results(path: Path) -> Iterator[Path]:
    """Make a folder before the work, so that a wrong path does not cost an hour's scores.

    A new folder is removed again if the arguments turn out to be wrong.
    """
    is_new = not path.exists()
    folder = make_folder(path)
    try:
        yield folder
    except UserError:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _print_failures(evaluation: Evaluation) -> bool:
    """Print to stderr what could not be read or filled; return whether there was anything."""
    for message in evaluation.failed.values():
        echo(f"Left out: {message}", err=True)
    for method, reasons in evaluation.broken.items():
        for key, reason in reasons.items():
            echo(f"'{method}' failed on {key}: {reason}", err=True)
    results = sum(map(len, evaluation.broken.values()))
    if evaluation.failed or results:
        unread = len(evaluation.failed)
        echo(f"In all: {unread} photographs left out, {results} results failed.", err=True)
    return bool(evaluation.failed or evaluation.broken)


def _bar(progress: Progress) -> Callable[[int, int, str], None]:
    track: Track | None = None

    def advance(done: int, total: int, name: str) -> None:
        nonlocal track
        track = track or progress.track(total, "images")
        track.advance(done - track.done, name)

    return advance


def _default_out(source: str) -> Path:
    is_run = ModelSource.find(source).kind == "run"
    return Path(source, "evaluation") if is_run else Path("evaluation")
