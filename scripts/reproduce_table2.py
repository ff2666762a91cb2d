"""Table II of the paper beside ours: python scripts/reproduce_table2.py --row CA-Animals-Hole=RUN.

Rows that no --row names are looked for in the folder --runs, under the names that the settings in
inpaint_tf/configs give them; those not found are shown as not trained. All fill the same holes of
the same photographs. Both sets of definitions are measured in one pass; --out keeps everything.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from neuralgym_lite.errors import UserError, printable
from neuralgym_lite.images import atomic_write
from neuralgym_lite.progress import Progress
from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

import inpaint_tf  # noqa: E402
from inpaint_tf.data import open_photos  # noqa: E402
from inpaint_tf.masks import EvaluationMasks  # noqa: E402
from inpaint_tf.metrics.lpips_weights import weights_from  # noqa: E402
from inpaint_tf.report.evaluation import draw, evaluate  # noqa: E402
from inpaint_tf.report.table2 import (  # noqa: E402
    RAW,
    TABLE2_METRICS,
    RowFiller,
    find_sources,
    render_table2,
    row,
)


@click.command()
@click.option("--row", "rows", multiple=True, metavar="NAME=RUN", help="A row, and where it is.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--dataset", default="animals", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option(
    "--mask", "mask_kind", default="center", show_default=True, help="center, hole or strokes."
)
@click.option("--image-size", type=int, default=256, show_default=True)
@click.option("--limit", type=int, help="Take N photographs of the test split.")
@click.option("--all-photographs", is_flag=True, help="The train split too: for NS and TELEA.")
@click.option("--batch-size", type=int, default=8, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--lpips-weights", type=click.Path(path_type=Path))
@click.option("--paper-definitions", is_flag=True, help="Ours by the paper's definitions.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for table2.md and the report.")
def main(
    rows: tuple[str, ...],
    runs: Path,
    dataset: str,
    data_dir: Path | None,
    mask_kind: str,
    image_size: int,
    limit: int | None,
    all_photographs: bool,
    batch_size: int,
    seed: int,
    lpips_weights: Path | None,
    paper_definitions: bool,
    out: Path | None,
) -> None:
    """Print Table II."""
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
            EvaluationMasks(mask_kind, len(keys), image_size, seed),
            batch_size,
            keys=keys,
            metrics=TABLE2_METRICS,
            settings={"models": models, "mask": mask_kind, "seed": seed},
            on_progress=lambda done, total, name: track.advance(
                done * len(keys) // total - track.done, name
            ),
        )
    trained = {each["name"]: f"{each['iteration']:,}" for each in models if "iteration" in each}
    tables = {paper: render_table2(evaluation, trained, paper) for paper in (False, True)}
    print(tables[paper_definitions])
    if out:
        evaluation.write(out)
        atomic_write(out / "table2.md", f"{tables[False]}\n\n{tables[True]}\n".encode())
    for message in (*evaluation.failed.values(), *evaluation.broken):
        print(f"Failed: {printable(message)}", file=sys.stderr)
    sys.exit(1 if evaluation.failed or evaluation.broken else 0)


def parse_row(text: str) -> tuple[str, str]:
    """Return name and source of NAME=RUN."""
    name, equals, source = text.partition("=")
    if not equals:
        raise UserError(f"A row is NAME=RUN, got '{text}'")
    return row(name).name, source


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"Error: {printable(error)}")
