"""The training of a run, from its newest checkpoint to its last iteration."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.training.checkpoints import SCORE, Checkpoints
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.health_rules import HEALTH_RULES
from inpaint_tf.training.preview import Preview
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.run import make_trainer, open_run_photos, remember
from inpaint_tf.training.validation import Validation
from neuralgym_lite.background import Background
from neuralgym_lite.callbacks import (
    EveryN,
    ProgressBar,
    ScalarLog,
    StopOnSignal,
    TensorBoardScalars,
    keep_events_until,
    keep_until,
)
from neuralgym_lite.distribution import agree_on, emulates_bfloat16, is_chief, make_strategy
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.guard import FiniteGuard, NotFiniteError
from neuralgym_lite.health import Health
from neuralgym_lite.images import Picture, write_picture
from neuralgym_lite.pipeline import index_driven
from neuralgym_lite.progress import Progress

SHOWN_SCALARS = ("loss", "wgan_d", "wgan_gp", "bce_g", "bce_d")
FIRST_LOOK = 20  # rounds after which a user sees whether the data are right


def train(run: RunFolder, config: TrainConfig, progress: Progress, force: bool = False) -> bool:
    """Train from the newest checkpoint, or from the beginning, to the last iteration.

    Args:
        run: made by `start`, now or earlier.
        config: its settings.
        progress: where to talk.
        force: go on with other photographs, or a checkpoint of other settings.

    Returns:
        True when done; False if a signal stopped the run after it saved.

    Raises:
        UserError: if the data set or the checkpoint is not that of the run, a batch cannot be
            divided among the replicas, too many photographs cannot be read, a number is not finite,
            or a checkpoint cannot be written.
    """
    photos = open_run_photos(config, progress.log)
    chief = is_chief(config.strategy)
    if chief and not force:
        check_data(run, photos)
    if config.precision == "mixed_bfloat16" and emulates_bfloat16():
        progress.log(
            "This machine emulates bfloat16: an iteration takes many times as long as in float32. "
            "A new run with --precision auto, or without the option, takes what is fast."
        )
    strategy = make_strategy(config.strategy)
    check_batch(config, strategy.num_replicas_in_sync)
    with strategy.scope():
        trainer = make_trainer(config)
    with Background() as background, _lost_workers():
        checkpoints = Checkpoints(run, trainer, config, background, writes=chief)
        iteration, order = checkpoints.restore(progress.log, force)
        if not agree_on(iteration, strategy):
            raise UserError(
                f"The machines have different checkpoints; here '{run.path}' is at iteration "
                f"{iteration}. Give all of them the same --run-dir, on a disk that they share."
            )
        done = iteration >= last_iteration(config.iterations, config)
        session = None if done else Session(run, config, photos, trainer, checkpoints, progress)
        if chief:  # and not before, as nothing refuses the settings any more
            remember(run, config, photos if force else None)
        if session is None:
            progress.log(f"'{run.path}' has its {iteration} iterations already.")
            return True
        if config.on_nan == "rollback" and iteration == 0:
            checkpoints.save(iteration)  # there must be something to go back to
        for rollbacks in range(config.max_rollbacks + 1):
            try:
                return session.go(iteration, order)
            except NotFiniteError as error:
                told = session.explain(error)
                if config.on_nan == "stop":
                    raise UserError(told) from error
                if rollbacks == config.max_rollbacks:
                    raise UserError(f"{told} It went back {rollbacks} times.") from error
                background.wait()
                iteration, saved_order = checkpoints.restore(progress.log, force)
                order = max(order, saved_order) + 1
                progress.log(f"{told} Back to iteration {iteration}, with other photographs.")
    raise AssertionError("the last turn returns or raises")


def last_iteration(stop: int, config: TrainConfig) -> int:
    """Return the last iteration up to `stop` that ends a round."""
    return stop - stop % config.n_critic


class Session:
    """What belongs together while a run trains.

    Args:
        run: where everything is written.
        config: its settings.
        photos: its photographs.
        trainer: at the iteration where it will go on.
        checkpoints: of the run.
        progress: where to talk.
    """

    def __init__(
        self,
        run: RunFolder,
        config: TrainConfig,
        photos: PhotoSet,
        trainer: Any,
        checkpoints: Checkpoints,
        progress: Progress,
    ) -> None:
        self.run = run
        self.config = config
        self.photos = photos
        self.trainer = trainer
        self.checkpoints = checkpoints
        self.progress = progress
        self.look: Look | None = None
        self.bad: set[str] = set()
        if checkpoints.writes:
            size, tell = config.data.image_size, self._tell_of
            preview = Preview(trainer.generator, photos, size, config.seed, on_bad_photo=tell)
            self.look = Look(run, trainer, preview, Validation(trainer, photos, config))
        self.maker = RoundDataset(photos, config)
        self.saved: int | None = None

    def go(self, iteration: int, order: int) -> bool:
        """Train on from an iteration; return whether the run is complete.

        Raises:
            NotFiniteError: if a scalar is not finite.
            UserError: if no photographs are left, or a checkpoint cannot be written.
        """
        self.order = order
        self.maker = RoundDataset(self.photos, self.config, self._tell_of, order)
        if self.look:
            self.look.last = None
            keep_events_until(self.run.tensorboard, iteration)
            if not keep_until(self.run.validation, iteration):
                self.look(iteration)
        for phase in self.trainer.phases(self.config):
            if iteration < last_iteration(phase.stop, self.config):
                self.trainer.enter(phase)
                iteration, stopped = self._fit(iteration, phase.stop)
                if stopped:
                    break
        if self.look and self.look.last != iteration:
            self.look(iteration)
        if self.saved != iteration:
            self.save(iteration)
        if self.bad:
            count = len(self.photos.train) + len(self.photos.test)
            self.progress.log(f"{len(self.bad)} of {count} photographs could not be read.")
        return iteration >= last_iteration(self.config.iterations, self.config)

    def save(self, iteration: int) -> None:
        """Begin to write a checkpoint."""
        looked = self.look is not None and self.look.last == iteration
        score = self.look.scores[SCORE] if self.look and looked else None
        self.checkpoints.save(iteration, self.order, score)
        self.saved = iteration

    def explain(self, error: NotFiniteError) -> str:
        """Say which photographs were in the round that ended with an error, and the way out."""
        first = error.iteration - self.config.n_critic
        keys = [key for i in range(first, error.iteration) for key in self.maker.keys(i)]
        names = ", ".join(dict.fromkeys(keys))
        advice = "Lower optimizer.learning_rate"
        if self.config.on_nan == "stop":
            advice += ", or let such a run go back by itself: --set on_nan=rollback"
        return (
            f"{error} The weights before it are in the last checkpoint. {advice}. "
            f"The photographs of that round: {names}."
        )

    def _fit(self, iteration: int, stop: int) -> tuple[int, bool]:
        """Train up to an iteration; return the one reached, and whether a signal came."""
        n_critic = self.config.n_critic
        counting = {"iterations_per_step": n_critic, "initial_iteration": iteration}
        guard = FiniteGuard(**counting)
        signals = StopOnSignal()
        records = self._records(self.look, counting) if self.look else []
        rounds = (iteration // n_critic, stop // n_critic)
        try:
            self.trainer.fit(
                index_driven(self.maker.make, *rounds),
                steps_per_epoch=rounds[1] - rounds[0],
                shuffle=False,
                verbose=0,
                callbacks=[guard, *records, signals],
            )
        except tf.errors.OpError as error:
            # A pipeline passes on that it broke, but not why.
            if self.maker.failure is None:
                raise
            raise self.maker.failure from error
        finally:
            signals.restore()
        return guard.iteration, signals.received

    def _records(self, look: Look, counting: dict[str, int]) -> list[keras.callbacks.Callback]:
        """Return the callbacks that write and talk."""
        config, run = self.config, self.run
        events = TensorBoardScalars(run.tensorboard, every=10 * config.n_critic, **counting)
        early = FIRST_LOOK * config.n_critic

        def look_early(iteration: int) -> None:
            if iteration < 2 * early and look.last != iteration:
                look(iteration)

        def save(iteration: int) -> None:
            events.flush()
            self.save(iteration)

        return [
            ScalarLog(run.scalars, **counting),
            events,
            Health(HEALTH_RULES, self.progress.log, **counting),
            EveryN(config.preview_every, look, **counting),
            EveryN(early, look_early, **counting),
            EveryN(config.checkpoint_every, save, **counting),
            ProgressBar(config.iterations, self.progress, SHOWN_SCALARS, **counting),
        ]

    def _tell_of(self, error: Exception) -> None:
        if str(error) not in self.bad:
            self.bad.add(str(error))
            self.progress.log(f"Skipped: {error}")


class Look:
    """Draws the preview; keeps its scores and the validation's losses.

    Args:
        run: where they are written.
        trainer: whose network it is; the average of its weights is looked at, where it keeps one.
        preview: what is drawn.
        validation: what is computed.

    Attributes:
        last: the iteration of the last look.
        scores: what it found.
    """

    def __init__(
        self, run: RunFolder, trainer: Any, preview: Preview, validation: Validation
    ) -> None:
        self.run = run
        self.trainer = trainer
        self.preview = preview
        self.validation = validation
        self.last: int | None = None
        self.scores: dict[str, float] = {}

    def __call__(self, iteration: int) -> None:
        """Look at the network as it is."""
        with self.trainer.averaged():
            seen = self.preview.run()
            self.last, self.scores = iteration, {**seen.scores, **self.validation.run()}
        for name, picture in (
            (f"iteration-{iteration:08d}", seen.grid),
            (f"filled-{iteration:08d}", seen.filled),
            ("truth", seen.truth),
        ):
            write_picture(self.run.images / f"{name}.png", Picture(picture))
        with self.run.validation.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **self.scores}) + "\n")
        writer = tf.summary.create_file_writer(str(self.run.tensorboard))
        with writer.as_default(step=iteration):
            tf.summary.image("preview", seen.grid[np.newaxis])
            for name, value in self.scores.items():
                tf.summary.scalar(name, value)
        writer.close()


@contextlib.contextmanager
def _lost_workers() -> Iterator[None]:
    """Turn the errors with which TensorFlow notices that a machine is gone into a line."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError) as error:
        if "TF_CONFIG" not in os.environ:
            raise
        raise UserError(
            f"Another machine was lost ({type(error).__name__}). Start all of them again with "
            "--resume: they go on from the last checkpoint."
        ) from error


def check_batch(config: TrainConfig, replicas: int) -> None:
    """Raise a UserError if a batch cannot be divided into equal shares, which the losses need."""
    if config.batch_size % replicas:
        raise UserError(
            f"Strategy '{config.strategy}' has {replicas} replicas, which cannot have equal shares "
            f"of batch_size={config.batch_size}. Go on with --resume --strategy single, or start a "
            f"new run whose batch size is a multiple of {replicas}."
        )


def check_data(run: RunFolder, photos: PhotoSet) -> None:
    """Raise a UserError if a run was started on other photographs than these."""
    recorded = run.read_manifest()["data"]
    way_out = "Bring them back, start a new run, or pass --force."
    if photos.fingerprint() != recorded["fingerprint"]:
        raise UserError(
            f"Run '{run.path}' was started on other photographs than '{photos.where}' has now "
            f"(fingerprint {recorded['fingerprint'][:12]}). {way_out}"
        )
    # Runs of before have a fingerprint alone.
    if recorded.get("content") not in (None, photos.content()):
        raise UserError(
            f"Run '{run.path}' was started on other photographs: those of '{photos.where}' have "
            f"the same names and sizes, but not what was in the files. {way_out}"
        )
