"""Train again as a shipped network was, and see whether the first rounds have the same losses.

    python scripts/retrain.py ca-photos --out runs/again

Runs the recorded command of the first run that led to the network, stops it when it has as many
rounds as were recorded, and compares every loss to the last bit. That holds on the kind of machine
and with the versions that the model card names; with others, numbers part after a few rounds.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from inpaint_tf import weights
from neuralgym_lite.experiment import RunFolder


@click.command()
@click.argument("name")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New run folder.")
def main(name: str, out: Path) -> None:
    """Compare the first rounds of NAME with a training of now."""
    stage = weights.facts(name)["history"][0]
    expected = stage["first losses"]
    found = train(stage["command"], out, len(expected))
    if len(found) < len(expected):
        raise click.ClickException(f"The training ended after {len(found)} rounds.")
    parted = [i for i, pair in enumerate(zip(found, expected, strict=True)) if len({*pair}) > 1]
    if parted:
        at = parted[0]
        click.echo(f"Round {at + 1} has loss {found[at]!r}; recorded was {expected[at]!r}.")
        sys.exit(1)
    click.echo(f"The losses of {len(expected)} rounds are the same to the last bit.")


def train(command: list[str], out: Path, rounds: int) -> list[float]:
    """Run a recorded command until it has so many rounds; return their losses."""
    place = command.index("--run-dir")
    arguments = [*command[1:place], *command[place + 2 :], "--run-dir", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "inpaint_tf", *arguments])
    while process.poll() is None and len(losses(out)) < rounds:
        time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.wait()
    return losses(out)[:rounds]


def losses(run: Path) -> list[float]:
    """Return the losses that a run has logged, of whole lines."""
    if not (run / "config.json").is_file() or not RunFolder.open(run).scalars.is_file():
        return []
    lines = RunFolder.open(run).scalars.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line)["loss"] for line in lines]


if __name__ == "__main__":
    main()
