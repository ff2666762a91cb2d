"""Show how a training went: python scripts/training_page.py RUN... --out training.html.

The runs are those that followed one another, in their order. Photographs are in the page: it is as
free to pass on as they are.
"""

from __future__ import annotations

from pathlib import Path

import click

from neuralgym_lite.images import atomic_write
from neuralgym_lite.quiet import import_tensorflow


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="HTML file to write.")
def main(runs: tuple[Path, ...], out: Path) -> None:
    """Write the page of RUNS."""
    import_tensorflow()
    from inpaint_tf.report.training_page import render_training_page

    atomic_write(out, render_training_page(runs).encode())


if __name__ == "__main__":
    main()
