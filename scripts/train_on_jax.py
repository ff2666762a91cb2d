"""Train a run by Keras' JAX backend, where TensorFlow does not reach the GPU.

    python scripts/train_on_jax.py --dataset animals --mask mosaic --run-dir runs/mosaic
    python scripts/train_on_jax.py --from runs/mosaic --run-dir runs/more --iterations 5000

Takes the settings of `inpaint-tf train`, and with `--from` starts as `inpaint-tf finetune` does.
The run folder is the same, without previews: everything that opens a run opens it, `--resume`
included, under either backend. A run that was stopped goes on from its last checkpoint. Needs the
extra `jax`, and for a GPU `pip install 'jax[cuda13]'`.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import jax
import keras

from inpaint_tf.api import default_run_dir, with_keys
from inpaint_tf.cli._settings import with_settings
from inpaint_tf.training.checkpoints import Checkpoints
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.finetune import open_parent, start_from
from inpaint_tf.training.health_rules import HEALTH_RULES
from inpaint_tf.training.procedures import load_train_config
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.run import make_trainer, open_run_photos, remember, resume, start
from inpaint_tf.training.session import SHOWN_SCALARS, check_data, last_iteration
from inpaint_tf.training.trainer import Trainer
from neuralgym_lite.callbacks import (
    IterationCallback,
    ProgressBar,
    ScalarLog,
    keep_events_until,
    keep_until,
)
from neuralgym_lite.config import load_config
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.guard import FiniteGuard, NotFiniteError
from neuralgym_lite.health import Health
from neuralgym_lite.progress import Progress
from neuralgym_lite.run_lock import RunLock

READ_EVERY = 50  # rounds: to read a number is to wait for the device
AHEAD = 16  # rounds that are made while others are computed


@click.command()
@with_settings
@click.option("--from", "source", help="Model or run to start from.")
@click.option("--critics", help="Run whose critics to start with.")
@click.option("--generator-only", is_flag=True, help="Start with fresh critics.")
@click.option("--resume", "resumes", is_flag=True, help="Go on from the newest checkpoint.")
def main(
    config_file: str | None,
    overrides: tuple[str, ...],
    run_dir: Path | None,
    source: str | None,
    critics: str | None,
    generator_only: bool,
    resumes: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train to the last iteration."""
    if resumes and (source or overwrite or config_file):
        raise UserError("--resume takes no --from, --overwrite or --config. Choose one.")
    if (critics or generator_only) and not source or (critics and generator_only):
        raise UserError("--critics or --generator-only, one of them, goes with --from.")
    flags = with_keys(options)
    with RunLock() as lock, Progress() as progress:
        if resumes:
            given = load_config(TrainConfig, flags=flags, overrides=overrides)
            run, config = resume(run_dir or default_run_dir(given), flags, overrides, lock=lock)
            check(config)
        else:
            parent = open_parent(source) if source else None
            if parent and critics:
                parent = parent.with_critics_of(critics)
            settings = parent.settings if parent else None
            config = load_train_config(config_file, flags, overrides, settings)
            check(config)
            path = run_dir or default_run_dir(config)
            given_on = path, overwrite, sys.argv
            if parent:
                run, config = start_from(parent, config, *given_on, generator_only, lock)
            else:
                run, config = start(config, *given_on, lock=lock)
        train(run, config, progress)


def check(config: TrainConfig) -> None:
    """Raise a UserError if settings ask for what is done by `inpaint-tf train` alone."""
    if config.strategy in ("mirrored", "multiworker"):
        raise UserError(
            f"This trains on one device, not by strategy '{config.strategy}': pass --strategy "
            "single, or use 'inpaint-tf train'."
        )
    if config.on_nan == "rollback":
        raise UserError(
            "This stops at a number that is not finite, and does not go back: pass "
            "--set on_nan=stop, or use 'inpaint-tf train'. Received: on_nan=rollback"
        )


def train(run: RunFolder, config: TrainConfig, progress: Progress) -> None:
    """Train a run from its newest checkpoint to its last iteration."""
    photos = open_run_photos(config)
    check_data(run, photos)
    trainer = make_trainer(config)
    checkpoints = Checkpoints(run, trainer, config)
    iteration, order = checkpoints.restore(progress.log)
    remember(run, config)
    keep_events_until(run.tensorboard, iteration)
    keep_until(run.validation, iteration)
    maker = RoundDataset(photos, config, lambda error: progress.log(f"Skipped: {error}"), order)
    variables = [each for group in trainer.saved_variables().values() for each in group]
    records = Records(run, config, progress, iteration)
    progress.log(f"'{run.path}' from iteration {iteration} on {jax.devices()[0].device_kind}.")
    for phase in trainer.phases(config):
        trainer.enter(phase)
        compute = compiled_round(trainer, variables)
        stop = last_iteration(phase.stop, config)
        while iteration < stop:
            start, iteration = iteration, next_save(iteration, stop, config)
            values = [variable.value for variable in variables]
            for data in ahead(maker.make, start // config.n_critic, iteration // config.n_critic):
                values, logs = compute(values, data)
                records.take(logs)
            records.write()
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            checkpoints.save(iteration, order)


def next_save(iteration: int, stop: int, config: TrainConfig) -> int:
    """Return the iteration at which a run is saved next; a round is not cut."""
    reached = last_iteration(iteration + config.checkpoint_every, config)
    return min(max(reached, iteration + config.n_critic), stop)


def compiled_round(trainer: Trainer, variables: list[Any]) -> Callable[..., Any]:
    """Return the trainer's round as a function of all its variables, which it gives up."""

    def compute(values: list[Any], data: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
            logs = trainer.train_step(data)
        return [scope.get_current_value(variable) for variable in variables], logs

    return jax.jit(compute, donate_argnums=0)


def ahead(make: Callable[[int], dict[str, Any]], start: int, stop: int) -> Iterator[dict[str, Any]]:
    """Yield `make(i)` in order, made by threads before they are asked for."""
    waiting: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for index in range(start, stop):
            waiting.append(pool.submit(make, index))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class Records:
    """Gives rounds to the callbacks of `inpaint-tf train`, many at once.

    Args:
        run: where scalars are written.
        config: its settings.
        progress: where to talk.
        iteration: at which the training begins.
    """

    def __init__(
        self, run: RunFolder, config: TrainConfig, progress: Progress, iteration: int
    ) -> None:
        counting = {"iterations_per_step": config.n_critic, "initial_iteration": iteration}
        self.callbacks: list[IterationCallback] = [
            FiniteGuard(**counting),
            ScalarLog(run.scalars, **counting),
            Health(HEALTH_RULES, progress.log, **counting),
            ProgressBar(config.iterations, progress, SHOWN_SCALARS, **counting),
        ]
        self.waiting: list[dict[str, Any]] = []
        self.count = 0
        for callback in self.callbacks:
            callback.on_train_begin()

    def take(self, logs: dict[str, Any]) -> None:
        """Take the losses of a round, which may not be computed yet."""
        self.waiting.append(logs)
        if len(self.waiting) == READ_EVERY:
            self.write()

    def write(self) -> None:
        """Wait for the losses and write them; a UserError where one is not finite."""
        for logs in jax.device_get(self.waiting):
            for callback in self.callbacks:
                callback.on_train_batch_end(self.count, logs)
            self.count += 1
        self.waiting.clear()


if __name__ == "__main__":
    try:
        main()
    except NotFiniteError as error:
        sys.exit(
            f"Error: {error} Lower optimizer.learning_rate, or go on from the last checkpoint with "
            "--resume."
        )
    except UserError as error:
        sys.exit(f"Error: {error}")
