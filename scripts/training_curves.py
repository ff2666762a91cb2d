"""Draw the training curves of runs: python scripts/training_curves.py RUN... --out curves.png."""

from __future__ import annotations

from pathlib import Path

import click

from neuralgym_lite.images import atomic_path
from neuralgym_lite.quiet import import_tensorflow


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--scalar",
    "scalars",
    multiple=True,
    default=("loss", "train_loss,val_loss", "val_mse", "val_l1"),
    help="A panel each; names with commas between them share one.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="PNG to write.")
def main(runs: tuple[Path, ...], scalars: tuple[str, ...], out: Path) -> None:
    """Draw scalars of RUNS over the iterations."""
    import_tensorflow()
    from inpaint_tf.report.curves import draw_curves

    figure = draw_curves(runs, scalars)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


if __name__ == "__main__":
    main()
