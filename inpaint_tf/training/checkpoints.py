"""The checkpoints of a run: what is in one, which are kept, and which one is gone back to."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from inpaint_tf.models import InpaintingModel
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.trainer import Trainer
from inpaint_tf.weights import GENERATOR_FILE
from neuralgym_lite import state
from neuralgym_lite.background import Background
from neuralgym_lite.checkpoint import (
    BROKEN,
    checkpoint_name,
    clean,
    newest_whole,
    prune,
    read_meta,
    save_checkpoint,
    set_aside,
)
from neuralgym_lite.config import load_config, to_flat, without_foreign_defaults
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder

TRAINER_FILE = "trainer.npz"
KEPT = 2
SCORE = "val_mse"  # of which the lowest is the best
# What a resumed run may be given anew, because no number of its past depends on it.
MAY_CHANGE = (
    "iterations",
    "strategy",
    "preview_every",
    "checkpoint_every",
    "max_bad_photos",
    "on_nan",
    "max_rollbacks",
)


class Checkpoints:
    """Saves a trainer while it trains on, and brings it back.

    A checkpoint holds the generator as a `.keras` file that can be used by itself, and all networks
    and optimizers with what they belong to: iteration, settings, fingerprint of the data.

    Args:
        run: whose checkpoints they are.
        trainer: what is saved.
        config: settings of the run.
        background: what writes them; None writes at once.
        writes: whether this process may write; of several machines one does.
    """

    def __init__(
        self,
        run: RunFolder,
        trainer: Trainer,
        config: TrainConfig,
        background: Background | None = None,
        writes: bool = True,
    ) -> None:
        self.run = run
        self.trainer = trainer
        self.config = config
        self.background = background
        self.writes = writes
        # Written from a copy, which is made when it is first needed.
        self._written: InpaintingModel | None = None

    def save(self, iteration: int, order: int = 0, score: float | None = None) -> None:
        """Copy everything to memory now, and write it in the background.

        Args:
            iteration: that was reached.
            order: of the data, which a run that went back has changed.
            score: of the validation at this iteration, if there was one.

        Raises:
            UserError: if the checkpoint before this one could not be written.
        """
        if not self.writes:
            return
        taken = state.take(self.trainer.saved_variables())
        with self.trainer.averaged():
            weights = self.trainer.generator.get_weights()
        meta = {
            "iteration": iteration,
            "order": order,
            "config": to_flat(self.config),
            "fingerprint": self.run.read_manifest()["data"]["fingerprint"],
            SCORE: score,
        }
        if self.background is None:
            self._write(taken, weights, meta)
        else:
            self.background.submit(lambda: self._write(taken, weights, meta))

    def restore(self, say: Callable[[str], object], force: bool = False) -> tuple[int, int]:
        """Bring the trainer to the newest whole checkpoint.

        Args:
            say: told of damaged checkpoints.
            force: take one of other settings or photographs too, if its networks fit.

        Returns:
            Its iteration and the order of its data; zeros if there is none.

        Raises:
            UserError: if it belongs to other settings or photographs, or all are damaged.
        """
        latest = self._newest_whole(say)
        if latest is None:
            if self.writes:  # others may come before there is a run
                self._check_new()
            return 0, 0
        meta = read_meta(latest)
        if not {"iteration", "order", "config", "fingerprint"} <= meta.keys():
            raise UserError(
                f"Checkpoint '{latest}' is of an earlier version, which cannot be resumed. Start a "
                "new run; its network can still be used, and finetuned from its generator.keras."
            )
        if not force:
            self._check(latest, meta)
        self.load(latest)
        return int(meta["iteration"]), int(meta["order"])

    def _newest_whole(self, say: Callable[[str], object]) -> Path | None:
        folder = self.run.checkpoints
        if not self.writes:
            return newest_whole(folder)
        clean(folder)
        told: list[str] = []
        latest = set_aside(folder, told.append)
        for line in told:
            say(line)
        if told and latest is not None:
            say(f"The one before it is used: '{latest}'.")
        return latest

    def _check_new(self) -> None:
        """Refuse to begin anew what has begun already, or with other weights than its own."""
        run, parent = self.run.path, self.run.read_manifest().get("parent")
        if (self.run.checkpoints / BROKEN).is_dir():
            raise UserError(
                f"Run '{run}' has no whole checkpoint left; the damaged ones are in "
                f"'{self.run.checkpoints / BROKEN}'. Bring one back, or start again: --overwrite."
            )
        if parent:
            raise UserError(
                f"Run '{run}' has no checkpoint with the weights of '{parent['source']}', from "
                "which it was to start. Start it again: 'inpaint-tf finetune' with --overwrite."
            )

    def load(self, checkpoint: Path) -> None:
        """Bring the trainer to a checkpoint, but for the learning rates, which are settings.

        Raises:
            UserError: if it is of other networks.
        """
        try:
            state.put(self.trainer.saved_variables(), state.read(checkpoint / TRAINER_FILE))
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise UserError(
                f"Checkpoint '{checkpoint}' does not fit run '{self.run.path}': {error}. Put back "
                "the run's own checkpoints, or start a new run."
            ) from error
        if self.config.optimizer.decay == "none":
            self._set_rates()

    def _set_rates(self) -> None:
        # A checkpoint has those that it was saved with; --force may have given others.
        optimizers = (self.trainer.optimizer, self.trainer.critic_optimizer)
        for optimizer, rate in zip(optimizers, self.config.optimizer.rates(), strict=True):
            if optimizer is not None:
                optimizer.learning_rate = rate

    def _check(self, checkpoint: Path, meta: Mapping[str, Any]) -> None:
        manifest = self.run.read_manifest()
        # Settings that --force replaced were this run's own, too.
        earlier = manifest.get("earlier", [])
        known = [self.config, *(load_config(TrainConfig, base=each["config"]) for each in earlier)]
        ours = to_flat(self.config)
        theirs = without_foreign_defaults(TrainConfig, meta["config"])
        differences = [_differences(theirs, to_flat(config)) for config in known]
        if all(differences):
            name = differences[0][0]
            raise UserError(
                f"Checkpoint '{checkpoint}' was saved with {name}={meta['config'][name]}, and the "
                f"run has {ours.get(name)}. Pass --force to take it all the same."
            )
        data = [manifest["data"], *(each["data"] for each in earlier)]
        if meta["fingerprint"] not in [each["fingerprint"] for each in data]:
            raise UserError(
                f"Checkpoint '{checkpoint}' was trained on other photographs "
                f"(fingerprint {meta['fingerprint'][:12]}). Pass --force to take it all the same."
            )

    def _write(self, taken: state.State, weights: list[Any], meta: Mapping[str, Any]) -> None:
        if self._written is None:
            generator = self.trainer.generator
            self._written = type(generator).from_config(generator.get_config())
        self._written.set_weights(weights)
        writers: dict[str, Callable[[Path], None]] = {
            GENERATOR_FILE: self._written.save,
            TRAINER_FILE: lambda path: state.write(path, taken),
        }
        name = checkpoint_name(meta["iteration"])
        try:
            save_checkpoint(self.run.checkpoints, name, writers, meta)
            prune(self.run.checkpoints, KEPT, SCORE)
        except OSError as error:
            raise UserError(
                f"Checkpoint '{self.run.checkpoints / name}' cannot be written: "
                f"{error.strerror or error}. Those before it are whole: make room, and go on "
                "with --resume."
            ) from error


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    bound = theirs.keys() - set(MAY_CHANGE)
    return sorted(name for name in bound if theirs[name] != ours.get(name))
