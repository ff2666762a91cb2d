"""Score a network that comes with the install anew, and write its model card.

    python tools/score_weights.py ca-photos --detail --out runs/scores

For when what is around the network has changed: what it is scored on, or how it fills.
"""

from __future__ import annotations

from pathlib import Path

import click
from ship_weights import evaluate, record

from inpaint_tf import weights


@click.command()
@click.argument("name", type=click.Choice(weights.names()))
@click.option("--detail", is_flag=True, help="Let it fill with detail (`fill --detail`).")
@click.option("--size", default=256, show_default=True, help="Pixels a side, of the evaluation.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Of the evaluation.")
def main(name: str, detail: bool, size: int, out: Path) -> None:
    """Score and describe the network NAME."""
    record(name, weights.facts(name), evaluate(name, size, out, detail), detail)


if __name__ == "__main__":
    main()
