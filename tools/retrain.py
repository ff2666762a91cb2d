"""Repeats the first rounds of a shipped network's training, and compares the losses.

    python tools/retrain.py ca-photos --out runs/again

Runs the recorded command of the network's first run, stops it after the recorded number of rounds,
and compares every loss to the last bit. Losses are equal with the versions of `constraints.txt` on
the same kind of processor only: others round sums differently. `--record` adds losses for a
processor that has none yet.
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
from neuralgym_lite.folders import atomic_write


@click.command()
@click.argument("name")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New run folder.")
@click.option("--record", metavar="PROCESSOR", help="Record the losses for this processor.")
def main(name: str, out: Path, record: str | None) -> None:
    """Compare the first rounds of network NAME with a new training."""
    facts = weights.facts(name)
    stage = facts["history"][0]
    known = stage["first losses"]
    if record in known:
        raise click.ClickException(
            f"Losses on '{record}' are recorded already: leave --record out."
        )
    rounds = max(map(len, known.values()))
    found = train(stage["command"], out, rounds)
    if len(found) < rounds:
        raise click.ClickException(f"The training ended after {len(found)} rounds.")
    same = [processor for processor, losses in known.items() if losses == found]
    if same:
        click.echo(f"{rounds} losses are the same to the last bit as on: {same[0]}.")
    elif record:
        known[record] = found
        file = weights.locate(name) / weights.FACTS_FILE
        atomic_write(file, (json.dumps(facts, indent=2) + "\n").encode())
        click.echo(f"Recorded {rounds} losses on: {record}.")
    else:
        for processor, losses in known.items():
            at = next(
                i for i, pair in enumerate(zip(found, losses, strict=True)) if len({*pair}) > 1
            )
            click.echo(f"Round {at + 1}: {found[at]!r}; on {processor}: {losses[at]!r}.")
        sys.exit(1)


def train(command: list[str], out: Path, rounds: int) -> list[float]:
    """Run a recorded command for a number of rounds; return their losses."""
    place = command.index("--run-dir")
    arguments = [*command[1:place], *command[place + 2 :], "--run-dir", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "inpaint_tf", *arguments])
    while process.poll() is None and len(losses(out)) < rounds:
        time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.wait()
    return losses(out)[:rounds]


def losses(run: Path) -> list[float]:
    """Return the losses in the complete lines of a run's log."""
    if not (run / "config.json").is_file() or not RunFolder.open(run).scalars.is_file():
        return []
    lines = RunFolder.open(run).scalars.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line)["loss"] for line in lines]


if __name__ == "__main__":
    main()
