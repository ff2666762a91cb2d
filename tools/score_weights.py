"""Scores a shipped network again, and writes its model card.

    python tools/score_weights.py ca-photos --detail --out runs/scores

Use it after a change of the metrics, the data or the post-processing.
"""

from __future__ import annotations

from pathlib import Path

import click
from ship_weights import evaluate, record

from inpaint_tf import weights


@click.command()
@click.argument("name", type=click.Choice(weights.names()))
@click.option("--detail", is_flag=True, help="Add detail (`fill --detail`).")
@click.option("--size", default=256, show_default=True, help="Side in pixels.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the evaluation."
)
def main(name: str, detail: bool, size: int, out: Path) -> None:
    """Score and describe the network NAME."""
    record(name, weights.facts(name), evaluate(name, size, out, detail), detail)


if __name__ == "__main__":
    main()
