"""Score a run's network at shares of the way from the weights that it began with.

    python scripts/compare_shares.py runs/last --dataset imagenet+places2 --count 64

By this table the `--share` of scripts/ship_weights.py is chosen: by photographs that the network is
not scored on afterwards. 256 pixels, hole of 128x128 in the middle. The run's parent is looked for
where the manifest says, from the folder that this is called in.
"""

from __future__ import annotations

from pathlib import Path

import click
from ship_weights import part_of_the_way

import inpaint_tf
from inpaint_tf.data import open_photos
from inpaint_tf.inference import NetworkInpainter
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.report.evaluation import draw, evaluate
from inpaint_tf.report.table import render_table
from neuralgym_lite.progress import Progress
from neuralgym_lite.quiet import import_tensorflow

SIZE = 256
BATCH = 8


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--dataset", default="imagenet+places2", show_default=True)
@click.option("--count", default=64, show_default=True, help="Test photographs.")
@click.option("--shares", default="0,0.2,0.4,0.6,0.8,1", show_default=True)
def main(run: Path, dataset: str, count: int, shares: str) -> None:
    """Print the scores of TELEA and of RUN at each of the shares."""
    import_tensorflow()
    photos = open_photos(dataset)
    keys = draw(photos.test, count)
    networks = {share: part_of_the_way(run, float(share)) for share in shares.split(",")}
    fillers = [
        inpaint_tf.load("telea"),
        *(NetworkInpainter(model, model.mask_mode, share) for share, model in networks.items()),
    ]
    masks = evaluation_masks("center", len(keys), SIZE)
    with Progress() as progress:
        track = progress.track((1 + len(fillers)) * len(keys), "pictures")
        evaluation = evaluate(
            fillers, photos, masks, BATCH, keys=keys, on_progress=lambda *_: track.advance(BATCH)
        )
    click.echo(render_table(evaluation))


if __name__ == "__main__":
    main()
