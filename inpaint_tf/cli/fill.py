"""`inpaint-tf fill`: fill the holes of photographs."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import click

from inpaint_tf.cli._echo import echo, echo_json
from inpaint_tf.cli._options import to_pixels, with_options
from inpaint_tf.model_source import ModelSource
from inpaint_tf.weights import DEFAULT
from neuralgym_lite.backend import import_backend
from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import make_folder
from neuralgym_lite.images import MAX_PIXELS

if TYPE_CHECKING:
    from inpaint_tf.inference.photographs import Result
    from neuralgym_lite.progress import Progress, Track

_FEW = 3


class _Memory(click.ParamType):
    """A size of memory, such as 2GB, between 1 MB and 1 TB."""

    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        import pydantic  # which takes a tenth of a second, for an option that is rarely given

        size = Annotated[pydantic.ByteSize, pydantic.Field(ge=10**6, le=10**12)]
        try:
            return int(pydantic.TypeAdapter(size).validate_python(value))
        except pydantic.ValidationError:
            self.fail(f"{value!r} is not a size of memory such as 2GB or 500MB.", param, ctx)


@click.command("fill")
@click.argument(
    "inputs",
    metavar="IMAGE_OR_FOLDER...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--mask",
    metavar="MASK_OR_FOLDER",
    required=True,
    type=click.Path(path_type=Path),
    help="White where the picture is missing: one for all, or a folder of masks named alike.",
)
@click.option(
    "--invert-mask",
    is_flag=True,
    help="Take what is dark in a mask as missing, in place of what is white.",
)
@click.option(
    "--grow",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Make what is missing wider by N pixels all around.",
)
@click.option(
    "--model",
    "source",
    metavar="FROM",
    default=DEFAULT,
    show_default=True,
    help="A name of `weights list`, a run folder, a saved or exported model, the URL of one in "
    "TensorFlow Serving, 'ns' or 'telea'.",
)
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the filled photographs; they keep their names and formats.",
)
@click.option(
    "--attention-map",
    is_flag=True,
    help="Also write <name>.attention.png: where each part of the photograph was looked up.",
)
@click.option(
    "--blend",
    is_flag=True,
    help="Fit brightness and color of what was filled to what surrounds it (Poisson blending).",
)
@click.option(
    "--detail/--no-detail",
    default=None,
    help="Add the detail of places that look alike.  [default: with 'ca-photos']",
)
@click.option(
    "--memory",
    type=_Memory(),
    help="What large photographs may take, beside TensorFlow: 2GB, say.  [default: 4GB]",
)
@click.option(
    "--coarse-at",
    metavar="N",
    type=int,
    help="Reduce larger photographs to N pixels a side for the coarse network; for large holes.",
)
@click.option(
    "--max-megapixels",
    "max_pixels",
    metavar="N",
    type=click.IntRange(min=1),
    default=MAX_PIXELS // 1_000_000,
    show_default=True,
    callback=to_pixels,
    help="Refuse larger photographs and masks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a photograph.")
def command(
    inputs: tuple[Path, ...],
    mask: Path,
    invert_mask: bool,
    grow: int,
    source: str,
    out: Path,
    attention_map: bool,
    blend: bool,
    detail: bool | None,
    memory: int | None,
    coarse_at: int | None,
    max_pixels: int,
    as_json: bool,
) -> None:
    """Fill photographs of any size where their masks are white.

    Known pixels stay as they are. Folders are searched through; a mask belongs to the photograph
    with the same path and name, whatever the suffix, and if none has it, whatever the case of
    letters.
    """
    import inpaint_tf
    from inpaint_tf.inference.photographs import fill_photographs, plan_jobs
    from neuralgym_lite.progress import Progress

    jobs = plan_jobs(inputs, mask, out, attention_map, functools.partial(echo, err=True))
    if ModelSource.find(source).needs_keras:
        import_backend()
    inpainter = inpaint_tf.load(source, memory=memory, coarse_at=coarse_at)
    if attention_map and not inpainter.has_attention:
        raise UserError(f"Model '{source}' has no attention; leave out --attention-map")
    make_folder(out)

    # The bar redirects what is printed to stderr, which is right only where both are a terminal.
    stdout = None if sys.stdout.isatty() else sys.stdout
    failed = []
    with Progress() as progress:
        track = progress.track(len(jobs), "photographs") if len(jobs) > _FEW else None
        results = fill_photographs(
            inpainter,
            jobs,
            max_pixels,
            blend=blend,
            detail=detail,
            invert_mask=invert_mask,
            grow=grow,
            on_progress=_Shares(progress),
        )
        for result in results:
            message = with_options(result.message)
            if result.status == "failed":
                failed.append(message)
            if as_json or result.status != "failed":
                _print(result, message, as_json, stdout)
            if message and not (failed and len(jobs) == 1):
                progress.log(message)
            if track:
                track.advance()
    if len(jobs) == len(failed) == 1:
        raise UserError(failed[0])
    if failed:
        echo(f"{len(failed)} of {len(jobs)} photographs failed.", err=True)
        sys.exit(1)


class _Shares:
    """Shows the finished share of a large photograph."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._track: Track | None = None

    def __call__(self, share: float) -> None:
        self._track = self._track or self._progress.track(100, "% of a photograph")
        self._track.advance(round(100 * share) - self._track.done)
        if share >= 1:
            self._track.drop()
            self._track = None


def _print(result: Result, message: str, as_json: bool, stdout: TextIO | None) -> None:
    if as_json:
        found = {
            "source": str(result.source),
            "target": str(result.target),
            "status": result.status,
            "message": message,
        }
        echo_json(found, indent=None, file=stdout)
    else:
        verb = "filled" if result.status == "filled" else "unchanged"
        echo(f"{verb} {result.source} -> {result.target}", file=stdout)
