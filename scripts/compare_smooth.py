"""Score the continuation of smooth surroundings against a network, by how smooth they are.

    python scripts/compare_smooth.py --dataset animals+imagenet+places2 --count 150

Holes are squares of 12 to 112 pixels in photographs of 256, drawn from the seed. Those count whose
surroundings differ from a plane by at most 10 grey levels, root mean square. The last line says how
many test photographs have a hole that is continued when models are evaluated.
"""

from __future__ import annotations

import click
import numpy as np

import inpaint_tf
from inpaint_tf.data import open_photos
from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.inference import smooth
from inpaint_tf.masks import EVALUATION_KINDS, EvaluationMasks
from inpaint_tf.report.evaluation import draw
from neuralgym_lite.progress import Progress
from neuralgym_lite.quiet import import_tensorflow

SIZE = 256
SIDES = (12, 24, 48, 80, 112)
BOUNDS = (1, 2, 3, 4, 6, 8, 10)
TRIES = 40  # places in a photograph where a hole with smooth surroundings is looked for


@click.command()
@click.option("--model", "source", default="ca-photos", show_default=True)
@click.option("--dataset", default="animals+imagenet+places2", show_default=True)
@click.option("--count", default=150, show_default=True, help="Photographs, of all splits.")
@click.option("--seed", default=0, show_default=True)
def main(source: str, dataset: str, count: int, seed: int) -> None:
    """Print MSE and L1 in the holes, both ways, for holes alike in smoothness."""
    import_tensorflow()
    photos = open_photos(dataset)
    network = inpaint_tf.load(source, detail=False)
    evaluated = [f"{kind}: {continued(photos, kind)}" for kind in EVALUATION_KINDS]
    errors: dict[int, list[list[float]]] = {bound: [] for bound in BOUNDS}
    rng = np.random.default_rng(seed)
    with Progress() as progress:
        track = progress.track(count, "photographs")
        for key in draw([*photos.train, *photos.test], count):
            track.advance()
            truth = photos.load(key, SIZE)
            for _ in range(TRIES):
                mask = square(rng)
                if bound := smoothness(truth, mask):
                    fills = (smooth.continue_smooth(truth, mask)[0], network.fill(truth, mask))
                    hole = truth[mask == 1].astype(float)
                    differences = [fill[mask == 1] - hole for fill in fills]
                    scores = [np.square(each).mean() for each in differences]
                    errors[bound].append(scores + [np.abs(each).mean() for each in differences])
                    break
    click.echo("| levels | holes | continued better | MSE | network | L1 | network |")
    click.echo("|---|--:|--:|--:|--:|--:|--:|")
    for bound, rows in errors.items():
        if rows:
            table = np.array(rows)
            mse, mse_network, l1, l1_network = table.mean(axis=0)
            better = (table[:, 0] < table[:, 1]).mean()
            click.echo(
                f"| up to {bound} | {len(rows)} | {better:.0%} | {mse:.1f} | {mse_network:.1f} "
                f"| {l1:.2f} | {l1_network:.2f} |"
            )
    click.echo(f"\nContinued, of {len(photos.test)} test photographs: {', '.join(evaluated)}.")


def continued(photos: PhotoSet, kind: str) -> int:
    """Return how many test photographs have a hole that is continued."""
    masks = EvaluationMasks(kind, len(photos.test), SIZE)
    pairs = ((photos.load(key, SIZE), masks[i][..., 0]) for i, key in enumerate(photos.test))
    return sum(bool((smooth.continue_smooth(*pair)[1] != pair[1]).any()) for pair in pairs)


def square(rng: np.random.Generator) -> smooth.UInt8:
    """Draw a mask with one square hole, whose surroundings are all in the picture."""
    side = int(rng.choice(SIDES))
    top, left = rng.integers(smooth.BAND, SIZE - side - smooth.BAND, 2)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def smoothness(image: smooth.UInt8, mask: smooth.UInt8) -> int | None:
    """Return the least of `BOUNDS` up to which the surroundings of a hole are smooth."""
    least = None
    for bound in reversed(BOUNDS):
        smooth.SMOOTH = bound
        if smooth.continue_smooth(image, mask)[1].any():
            break
        least = bound
    smooth.SMOOTH = BOUNDS[-1]
    return least


if __name__ == "__main__":
    main()
