"""The checkpoints of a run: what they contain, which are kept, and how they are restored."""

from __future__ import annotations

import functools
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
SCORE = "val_mse"  # The lowest is the best.
# Settings that may change when a run is resumed, because no result so far depends on them.
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
    """Saves a trainer while training continues, and restores it.

    A checkpoint holds the generator as a `.keras` file that can be used by itself, and all networks
    and optimizers with the iteration, the settings and the fingerprint of the data.

    Args:
        run: The run folder.
        trainer: The trainer to save.
        config: Settings of the run.
        background: Writes the files. Defaults to None, which writes them at once.
        writes: Whether this process may write: one of several machines does. Defaults to True.
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
        # A copy of the generator for writing, made when it is first needed.
        self._written: InpaintingModel | None = None

    def save(self, iteration: int, order: int = 0, score: float | None = None) -> None:
        """Copy everything to memory now, and write it in the background.

        Args:
            iteration: The iteration that was reached.
            order: Order of the photographs, which a rollback changes. Defaults to 0.
            score: Score of the validation at this iteration, if there was one. Defaults to None.

        Raises:
            UserError: If the checkpoint before this one could not be written.
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
        write = functools.partial(self._write, taken, weights, meta)
        if self.background is None:
            write()
        else:
            self.background.submit(write)

    def restore(self, log: Callable[[str], object], force: bool = False) -> tuple[int, int]:
        """Load the newest whole checkpoint into the trainer.

        Args:
            log: Called with a line about each damaged checkpoint.
            force: Whether to accept one of other settings or photographs, if its networks fit.
                Defaults to False.

        Returns:
            Its iteration and the order of its photographs; zeros if there is none.

        Raises:
            UserError: If it belongs to other settings or photographs, or all are damaged.
        """
        latest = self._newest_whole(log)
        if latest is None:
            if self.writes:  # Other machines may start before the folder exists.
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

    def _newest_whole(self, log: Callable[[str], object]) -> Path | None:
        folder = self.run.checkpoints
        if not self.writes:
            return newest_whole(folder)
        clean(folder)
        damaged: list[str] = []
        latest = set_aside(folder, damaged.append)
        if damaged and latest is not None:
            damaged.append(f"The one before it is used: '{latest}'.")
        for line in damaged:
            log(line)
        return latest

    def _check_new(self) -> None:
        """Refuse to restart a run that lost its checkpoints, or its initial weights."""
        run, broken = self.run.path, self.run.checkpoints / BROKEN
        if broken.is_dir():
            raise UserError(
                f"Run '{run}' has no whole checkpoint left; the damaged ones are in '{broken}'. "
                "Bring one back, or start again with `overwrite`."
            )
        if parent := self.run.read_manifest().get("parent"):
            raise UserError(
                f"Run '{run}' has no checkpoint with the weights of '{parent['source']}', from "
                "which it was to start. Finetune again with `overwrite`."
            )

    def load(self, checkpoint: Path) -> None:
        """Load a checkpoint into the trainer, except for the learning rates, which are settings.

        Raises:
            UserError: If it is of other networks.
        """
        try:
            state.put(self.trainer.saved_variables(), state.read(checkpoint / TRAINER_FILE))
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise UserError(
                f"Checkpoint '{checkpoint}' does not fit run '{self.run.path}': {error}. Put back "
                "the run's own checkpoints, or start a new run."
            ) from error
        settings = self.config.optimizer
        if settings.decay == "none":
            # A checkpoint has those that it was saved with; `force` may have given others.
            optimizers = (self.trainer.optimizer, self.trainer.critic_optimizer)
            for optimizer, rate in zip(optimizers, settings.rates(), strict=True):
                if optimizer is not None:
                    optimizer.learning_rate = rate

    def _check(self, checkpoint: Path, meta: Mapping[str, Any]) -> None:
        manifest = self.run.read_manifest()
        # Settings and photographs that `force` replaced count as this run's own, too.
        earlier = manifest.get("earlier", [])
        known = [self.config, *(load_config(TrainConfig, base=each["config"]) for each in earlier)]
        ours = to_flat(self.config)
        theirs = without_foreign_defaults(TrainConfig, meta["config"])
        changed = [differences(theirs, to_flat(config)) for config in known]
        if all(changed):
            name = changed[0][0]
            raise UserError(
                f"Checkpoint '{checkpoint}' was saved with {name}={meta['config'][name]}, and the "
                f"run has {ours.get(name)}. Pass `force` to take it all the same."
            )
        fingerprints = [each["data"]["fingerprint"] for each in (manifest, *earlier)]
        if meta["fingerprint"] not in fingerprints:
            raise UserError(
                f"Checkpoint '{checkpoint}' was trained on other photographs "
                f"(fingerprint {meta['fingerprint'][:12]}). Pass `force` to take it all the same."
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
                "with `resume`."
            ) from error


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return the keys of flat settings that differ and must not change when a run is resumed."""
    bound = [name for name in theirs if name not in MAY_CHANGE]
    return [name for name in bound if theirs[name] != ours.get(name)]
