"""`inpaint-tf fill`: fill the holes of photographs."""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inpaint_tf.cli._echo import echo, echo_json, tell
from inpaint_tf.cli._options import (
    PATH,
    json_option,
    max_pixels,
    memory_option,
    out_folder,
    with_options,
)
from inpaint_tf.weights import DEFAULT
from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import make_folder
from neuralgym_lite.limits import MAX_PIXELS

if TYPE_CHECKING:
    from neuralgym_lite.progress import Progress, Track

_FEW = 3  # Photographs that need no bar and no summary.
_SOON = 2.0  # Seconds after which it is told what takes them.
_VERBS = {"filled": "filled", "empty-mask": "unchanged", "skipped": "skipped", "failed": "failed"}


def _to_shard(
    context: click.Context, option: click.Parameter, shard: str | None
) -> tuple[int, int]:
    """Return I and N of I/N; 1/1 is everything. The library says whether there is such a part."""
    if shard is None:
        return 1, 1
    if not (found := re.fullmatch(r"(\d{1,9})/(\d{1,9})", shard, re.ASCII)):
        raise click.BadParameter(f"{shard!r} is not I/N, such as 1/8 for the first of 8 parts.")
    return int(found[1]), int(found[2])


@click.command("fill")
@click.argument("inputs", metavar="IMAGE_OR_FOLDER...", nargs=-1, required=True, type=PATH)
@click.option(
    "--mask",
    metavar="MASK_OR_FOLDER",
    required=True,
    type=PATH,
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
    help="Make what is missing wider by N pixels all around.",
)
@click.option(
    "--model",
    "source",
    metavar="FROM",
    default=DEFAULT,
    help="A name of `weights list`, a run folder, a saved or exported model, the URL of one in "
    "TensorFlow Serving, 'ns' or 'telea'.",
)
@out_folder(help="Folder for the filled photographs; they keep their names and formats.")
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
@memory_option
@click.option(
    "--coarse-at",
    metavar="N",
    type=int,
    help="Reduce larger photographs to N pixels a side for the coarse network; for large holes.",
)
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Go on with a run that stopped: leave out photographs whose files exist in DIR, however "
    "old and by whatever model. Without its attention map, if asked for, one is filled again.",
)
@click.option(
    "--shard",
    metavar="I/N",
    callback=_to_shard,
    help="Fill the I-th of N parts, from 1/N to N/N. A hash of its path in the folder decides "
    "which part a photograph is in.",
)
@max_pixels(default=MAX_PIXELS // 1_000_000, help="Refuse larger photographs and masks.")
@click.option("-v", "--verbose", is_flag=True, help="Say what computes the fills.")
@json_option(help="Print one JSON object a photograph, on a line of its own.")
def command(
    inputs: tuple[Path, ...],
    mask: Path,
    source: str,
    out: Path,
    attention_map: bool,
    memory: int | None,
    coarse_at: int | None,
    shard: tuple[int, int],
    verbose: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Fill photographs of any size where their masks are white.

    Known pixels stay as they are. Folders are searched through; a mask belongs to the photograph
    with the same path and name, whatever the suffix, and if none has it, whatever the case of
    letters.
    """
    import inpaint_tf
    from inpaint_tf.inference.photographs import fill_photographs, plan_jobs
    from neuralgym_lite.progress import Progress

    soon = threading.Timer(_SOON, tell, ["Pairing photographs and masks."])
    soon.start()
    try:
        jobs = plan_jobs(inputs, mask, out, attention_map, tell, shard)
    finally:
        soon.cancel()
    if not jobs:
        tell("No photograph is in shard {}/{}.".format(*shard))
        return
    inpainter = inpaint_tf.load(source, memory=memory, coarse_at=coarse_at, engine="auto")
    if verbose:
        tell(f"Filling with {inpainter.name} by {inpainter.engine_name}.")
    if attention_map and not inpainter.has_attention:
        raise UserError(f"Model '{source}' has no attention; leave out --attention-map")
    make_folder(out)

    # The bar redirects what is printed to stderr, which is right only where both are a terminal.
    stdout = None if sys.stdout.isatty() else sys.stdout
    alone = len(jobs) == 1 and shard == (1, 1)
    counts: Counter[str] = Counter()
    progress = Progress()
    filling = fill_photographs(inpainter, jobs, on_progress=_Shares(progress), **options)
    with progress, closing(filling) as results:
        track = progress.track(len(jobs), "photographs") if len(jobs) > _FEW else None
        for result in results:
            message = with_options(result.message)
            verb = _VERBS[result.status]
            counts[verb] += 1
            if as_json:
                echo_json(result.row() | {"message": message}, None, stdout)
            elif verb != "failed":
                echo(f"{verb} {result.source} -> {result.target}", file=stdout)
            if alone and verb == "failed":
                raise UserError(message)
            if message:
                progress.log(message)
            if track:
                track.advance()
    if len(jobs) > _FEW or counts["failed"]:
        parts = [f"{counts[verb]} {verb}" for verb in _VERBS.values() if counts[verb]]
        tell(f"Photographs: {', '.join(parts)}.")
    if counts["failed"]:
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
