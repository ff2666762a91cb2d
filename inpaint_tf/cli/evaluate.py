"""`inpaint-tf evaluate`: score models and the classical methods on the same holes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inpaint_tf.cli._echo import echo, echo_json
from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import make_folder
from neuralgym_lite.progress import Progress, Track
from neuralgym_lite.quiet import import_tensorflow

if TYPE_CHECKING:
    from inpaint_tf.report.result import Evaluation

_BASELINES = ("ns", "telea")
_MAX_SIDE = 8192
_RECORDED: dict[str, tuple[type, ...]] = {
    "dataset": (str, type(None)),
    "dir": (str, type(None)),
    "image_size": (int, type(None)),
}


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
    "mask_kind",
    metavar="center|hole|strokes",
    default="center",
    show_default=True,
    help="Square in the middle; squares, or strokes of a brush, at fixed random places.",
)
@click.option(
    "--image-size",
    type=click.IntRange(min=16, max=_MAX_SIDE),
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
    dataset: str | None,
    data_dir: Path | None,
    mask_kind: str,
    image_size: int | None,
    limit: int | None,
    batch_size: int,
    seed: int,
    out: Path | None,
    as_json: bool,
    baselines: bool,
    blend: bool,
    detail: bool | None,
    lpips_weights: Path | None,
) -> None:
    """Score each FROM on the test split: a run folder, a name, a saved model, 'ns' or 'telea'.

    All fill the same holes. The table goes to stdout; report.html, metrics.json, per_image.csv and
    grid.png to the folder of --out.
    """
    import_tensorflow()
    import inpaint_tf
    from inpaint_tf.data import open_photos
    from inpaint_tf.data.split import draw
    from inpaint_tf.inference.blended import BlendedInpainter
    from inpaint_tf.inference.provenance import provenance
    from inpaint_tf.masks import EvaluationMasks
    from inpaint_tf.metrics.lpips_weights import weights_from
    from inpaint_tf.report.evaluation import evaluate
    from inpaint_tf.report.table import render_table

    recorded = _recorded(sources)
    dataset, data_dir = _where(dataset, data_dir, recorded)
    size = image_size or recorded.get("image_size") or 256

    photos = open_photos(dataset, data_dir, tell=functools.partial(echo, err=True))
    keys = draw(photos.test, limit or len(photos.test))
    masks = EvaluationMasks(mask_kind, len(keys), size, seed)
    extra = [name for name in _BASELINES if baselines and name not in sources]
    inpainters = {source: inpaint_tf.load(source) for source in extra}
    options = {} if detail is None else {"detail": detail}
    inpainters |= {source: inpaint_tf.load(source, **options) for source in sources}
    settings = {
        "models": [provenance(*pair) for pair in inpainters.items()],
        "mask": mask_kind,
        "seed": seed,
        "limit": limit,
        "batch_size": batch_size,
    }
    blended = [BlendedInpainter(inpainters[source]) for source in sources] if blend else []
    # Made before the work, not after it: an hour's scores are not lost to a mistyped name.
    out = make_folder(out or _default_out(sources[0]))

    with weights_from(lpips_weights), Progress() as progress:
        evaluation = evaluate(
            [*inpainters.values(), *blended],
            photos,
            masks,
            batch_size,
            keys=keys,
            settings=settings,
            on_progress=_bar(progress),
        )
    try:
        evaluation.write(out)
    finally:
        if as_json:
            echo_json(evaluation.to_json())
        else:
            for line in render_table(evaluation).split("\n"):
                echo(line)
    echo(f"Wrote report.html, metrics.json, per_image.csv and grid.png to '{out}'.", err=True)
    if _tell_failures(evaluation):
        sys.exit(1)


def _tell_failures(evaluation: Evaluation) -> bool:
    """Name on stderr what could not be read or filled; return whether there was any."""
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


def _recorded(sources: tuple[str, ...]) -> dict[str, Any]:
    """Return what the first run folder says of its data; nothing where no source is one."""
    for source in sources:
        config = Path(source, "config.json")
        if config.is_file():
            try:
                data = dict(strict_json.read(config).get("data", {}))
                wrong = [key for key, kind in _RECORDED.items() if type(data.get(key)) not in kind]
                if wrong:
                    raise TypeError(f"data.{wrong[0]} is {str(data.get(wrong[0]))[:80]!r}")
                if not 16 <= (data.get("image_size") or 256) <= _MAX_SIDE:
                    raise ValueError(f"data.image_size is {data['image_size']}")
                return data
            except (ValueError, TypeError, AttributeError) as error:
                raise UserError(f"'{config}' is no config of a run: {error}") from error
    return {}


def _where(
    dataset: str | None, data_dir: Path | None, recorded: dict[str, Any]
) -> tuple[str, Path | None]:
    """Return data set and folder; a recorded folder serves only the recorded data set."""
    named = recorded.get("dataset")
    if dataset is None:
        dataset = named or ("folder" if data_dir else "animals")
    if data_dir is None and dataset == named and recorded.get("dir"):
        data_dir = Path(recorded["dir"])
    return dataset, data_dir


def _default_out(source: str) -> Path:
    is_run = Path(source, "config.json").is_file()
    return Path(source, "evaluation") if is_run else Path("evaluation")
