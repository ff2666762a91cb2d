"""Train every model for the same time on Animals, and score all on the same test photographs.

    python scripts/compare_models.py runs/compared --minutes 7

First the speed of each model is measured, by which the minutes become iterations. Then each is
trained by the command that is printed, and all are evaluated together, with Navier-Stokes and
TELEA. A run that is there already is resumed, or left if it is done.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from neuralgym_lite.quiet import import_tensorflow

COMMON = (
    "--dataset animals --mask hole --image-size 64 --batch-size 16 --set n_critic=1 "
    "--set optimizer.name=adam --set optimizer.decay=cosine --set optimizer.beta_2=0.99"
)
# Each model's own procedure, at a width and rate at which minutes are enough to see it learn.
MODELS = {
    "autoencoder": "--width 64 --set optimizer.learning_rate=1e-3",
    "context-encoder": "--width 64 --set optimizer.learning_rate=1e-3 "
    "--set optimizer.critic_learning_rate=1e-4",
    "glcic": "--width 32 --set optimizer.learning_rate=1e-3 --set model.critic_width=32",
    "stable-glcic": "--width 16 --set optimizer.learning_rate=1e-3 --set model.critic_width=32",
    "ca": "--width 16 --set optimizer.learning_rate=1e-3 --set model.critic_width=32",
}
WARM_UP, TIMED = 5, 15


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--minutes", type=float, default=7.0, show_default=True, help="For each model.")
def main(out: Path, minutes: float) -> None:
    """Train and compare all models below OUT."""
    out.mkdir(parents=True, exist_ok=True)
    plan = out / "plan.json"
    if not plan.is_file():
        import_tensorflow()
        plan.write_text(json.dumps({name: measure(name, minutes) for name in MODELS}, indent=2))
    for name, measured in json.loads(plan.read_text()).items():
        iterations = measured["iterations"]
        train(out / name, [*options(name), "--iterations", str(iterations)], iterations)
    folders = [out / name for name in MODELS]
    for mask in ("center", "hole"):
        table = inpaint_tf("evaluate", *folders, "--mask", mask, "--out", out / f"on-{mask}")
        print(table)


def options(name: str) -> list[str]:
    """Return what the training of a model is given."""
    return ["--model", name, *shlex.split(f"{COMMON} {MODELS[name]}")]


def measure(name: str, minutes: float) -> dict[str, Any]:
    """Return the seconds of a round in each phase, and how many iterations fill the minutes."""
    import keras

    from inpaint_tf.data import open_photos
    from inpaint_tf.training.procedures import load_train_config
    from inpaint_tf.training.rounds import RoundDataset
    from inpaint_tf.training.run import make_trainer, resolve
    from neuralgym_lite.pipeline import index_driven

    words = options(name)
    flags = {
        "model": {"name": name, "width": int(words[words.index("--width") + 1])},
        "data": {"image_size": 64},
        "batch_size": 16,
    }
    overrides = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    config = resolve(load_train_config(None, flags, overrides))
    trainer = make_trainer(config)
    maker = RoundDataset(open_photos("animals"), config)
    seconds, weighted, begun = [], 0.0, 0
    for phase in trainer.phases(config):
        trainer.enter(phase)
        clocks: list[float] = []
        tick = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs, to=clocks: to.append(time.perf_counter())
        )
        rounds = WARM_UP + TIMED
        data = index_driven(maker.make, 0, rounds)
        trainer.fit(data, steps_per_epoch=rounds, shuffle=False, verbose=0, callbacks=[tick])
        seconds.append((clocks[-1] - clocks[WARM_UP - 1]) / TIMED)
        weighted += seconds[-1] * (phase.stop - begun) / config.iterations
        begun = phase.stop
    return {"seconds": seconds, "iterations": round(60 * minutes / weighted)}


def train(run: Path, words: list[str], iterations: int) -> None:
    """Train a run, or go on with it; a preview ten times."""
    begun = ["--resume"] if (run / "checkpoints").is_dir() else []
    every = f"preview_every={max(iterations // 10, 1)}"
    inpaint_tf("train", *words, "--set", every, *begun, "--run-dir", run)


def inpaint_tf(*arguments: object) -> str:
    """Run the command line, its talk in sight; return what it prints."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ inpaint-tf {shlex.join(words)}", flush=True)
    command = [sys.executable, "-m", "inpaint_tf", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
