"""`inpaint-tf evaluate`: score models and the classical methods on the same holes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inpaint_tf.cli import _options
from inpaint_tf.cli._echo import echo_json, echo_lines, tell
from inpaint_tf.cli._options import PATH, json_option, with_options
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
    type=PATH,
    help="Where the data set lies. Without --dataset and a run that names one: any folder.",
)
@_options.mask_kind
@click.option(
    "--image-size",
    type=click.IntRange(16, MAX_SIDE),
    help="Side in pixels. Default: the run's, else 256.",
)
@_options.limit
@_options.batch_size
@_options.seed
@click.option(
    "--out",
    metavar="DIR",
    type=PATH,
    help="Folder for the results. Default: 'evaluation' in the run folder, else here.",
)
@json_option(help="Print JSON instead of a table.")
@click.option("--baselines/--no-baselines", default=True, help="Score 'ns' and 'telea' as well.")
@click.option("--blend", is_flag=True, help="Score each FROM as `fill --blend` fills, too.")
@click.option(
    "--detail/--no-detail",
    default=None,
    help="Score each FROM as `fill --detail` or `fill --no-detail` fills.",
)
@_options.lpips_weights
def command(sources: tuple[str, ...], out: Path | None, as_json: bool, **options: Any) -> None:
    """Score each FROM on the test split.

    FROM is a run folder, a name of `weights list`, a saved or exported model, the URL of one in
    TensorFlow Serving, 'ns' or 'telea'. All fill the same holes. The table goes to stdout;
    report.html, metrics.json, per_image.csv and grid.png to the folder of --out.
    """
    import_backend()
    from inpaint_tf import api
    from inpaint_tf.report.table import render_table

    with _folder_for_results(out or _default_out(sources[0])) as folder:
        if (folder / "metrics.json").exists():
            tell(f"The results in '{folder}' will be replaced; --out DIR keeps them.")
        with Progress() as progress:
            evaluation = api.evaluate(sources, **options, log=tell, on_progress=bar(progress))
        try:
            evaluation.write(folder)
        finally:
            if as_json:
                echo_json(evaluation.to_json())
            else:
                echo_lines(with_options(render_table(evaluation)))
    tell(f"Wrote report.html, metrics.json, per_image.csv and grid.png to '{folder}'.")
    if evaluation.failed or evaluation.broken:
        print_failures(evaluation)
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


def print_failures(evaluation: Evaluation) -> None:
    """Print to stderr what could not be read or filled."""
    for message in evaluation.failed.values():
        tell(f"Left out: {message}")
    for method, reasons in evaluation.broken.items():
        for key, reason in reasons.items():
            tell(f"'{method}' failed on {key}: {reason}")
    results = sum(map(len, evaluation.broken.values()))
    tell(f"In all: {len(evaluation.failed)} photographs left out, {results} results failed.")


def bar(progress: Progress) -> Callable[[int, int, str], None]:
    """Return a callback that shows the progress of `api.evaluate`."""
    track: Track | None = None

    def advance(done: int, total: int, name: str) -> None:
        nonlocal track
        track = track or progress.track(total, "images")
        track.advance(done - track.done, name)

    return advance


def _default_out(source: str) -> Path:
    is_run = ModelSource.find(source).kind == "run"
    return Path(source, "evaluation") if is_run else Path("evaluation")
