"""One training run from its settings to its last checkpoint."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inpaint_tf.data import open_photos
from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.inference.loading import GENERATOR_FILE, newest_checkpoint
from inpaint_tf.report.evaluation import draw
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.preview import Preview
from inpaint_tf.training.procedures import find_procedure, make_generator
from inpaint_tf.training.rounds import RoundMaker
from inpaint_tf.training.trainer import Trainer
from inpaint_tf.training.validation import Validation
from neuralgym_lite.callbacks import (
    EveryN,
    ProgressBar,
    ScalarLog,
    StopOnSignal,
    TensorBoardScalars,
    keep_until,
)
from neuralgym_lite.checkpoint import (
    clean,
    latest_checkpoint,
    prune,
    read_meta,
    save_checkpoint,
    verify,
)
from neuralgym_lite.config import load_config, to_dict
from neuralgym_lite.distribution import choose_precision, compiles, make_strategy
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.images import ImageError, Picture, write_picture
from neuralgym_lite.pipeline import index_driven
from neuralgym_lite.progress import Progress

TRAINER_FILE = "trainer.weights.h5"
KEPT_CHECKPOINTS = 2
# What a resumed run may be given anew, because no number of its past depends on it.
MAY_CHANGE = ("iterations", "strategy", "preview_every", "checkpoint_every")
SHOWN_SCALARS = ("loss", "wgan_d", "wgan_gp", "bce_g", "bce_d")
MEAN_OF = 512  # photographs that the mean color is taken over


def start(
    config: TrainConfig,
    path: str | Path,
    overwrite: bool = False,
    command: Sequence[str] = (),
    parent: Mapping[str, Any] | None = None,
) -> tuple[RunFolder, TrainConfig]:
    """Make the folder of a new run, with its settings and where it comes from.

    Args:
        config: the settings.
        path: a folder that does not exist or is empty.
        overwrite: clear an earlier run from it first.
        command: the command line, for the record.
        parent: whose weights it starts from, for the record.

    Returns:
        The folder, and the settings as `resolve` returns them.

    Raises:
        UserError: if the photographs are missing, or the folder is taken.
    """
    config = resolve(config)
    photos = _open_photos(config)
    run = RunFolder.create(path, overwrite)
    origin = {
        "inpaint_tf": version("inpaint-tf"),
        "command": list(command),
        "seed": config.seed,
        "data": {
            "root": str(photos.root),
            "train": len(photos.train),
            "test": len(photos.test),
            "fingerprint": photos.fingerprint(),
        },
        **({"parent": parent} if parent else {}),
    }
    run.write_manifest(to_dict(config), origin)
    return run, config


def resume(
    path: str | Path, flags: Mapping[str, Any], overrides: Sequence[str]
) -> tuple[RunFolder, TrainConfig]:
    """Open an earlier run, with its settings and what may change in them.

    Args:
        path: the run folder.
        flags: settings given anew, with dotted keys; those that are None were not.
        overrides: settings given anew, as `key=value`.

    Raises:
        UserError: if there is no run, or a setting is given that its past depends on.
    """
    run = RunFolder.open(path)
    stored_file = run.path / "config.json"
    stored = load_config(TrainConfig, stored_file)
    config = load_config(TrainConfig, stored_file, flags=flags, overrides=overrides)
    for name, value in to_dict(config).items():
        before = to_dict(stored)[name]
        falls = name == "iterations" and stored.optimizer.decay != "none"
        if value != before and (falls or name not in MAY_CHANGE):
            raise UserError(
                f"Run '{path}' was started with {name}={before}, not {value}. Leave it out to "
                "resume, or start a new run."
            )
    return run, config


def train(run: RunFolder, config: TrainConfig, progress: Progress) -> bool:
    """Train from the newest checkpoint, or from the beginning, to the last iteration.

    Args:
        run: made by `start`, now or earlier.
        config: its settings.
        progress: where to talk.

    Returns:
        True when done; False if a signal stopped the run after it saved.

    Raises:
        UserError: if the data set or the checkpoint is not that of the run.
    """
    photos = _open_photos(config)
    _check_data(run, photos)
    strategy = make_strategy(config.strategy)
    with strategy.scope():
        trainer = make_trainer(config)
    done = _restore(run, trainer)
    if done >= _last(config.iterations, config):
        progress.say(f"'{run.path}' has its {done} iterations already.")
        return True
    maker = RoundMaker(photos, config, on_bad_photo=lambda error: progress.say(f"Skipped: {error}"))
    preview = Preview(trainer.generator, photos, config.data.image_size, config.seed)
    look = _Look(run, preview, Validation(trainer, photos, config))
    if not keep_until(run.validation, done):
        look(done)
    for phase in trainer.phases(config):
        if done < _last(phase.stop, config):
            trainer.enter(phase)
            dataset = index_driven(maker.make, *(n // config.n_critic for n in (done, phase.stop)))
            done, stopped = _fit(run, config, trainer, dataset, done, look, progress)
            if stopped:
                break
    latest = latest_checkpoint(run.checkpoints)
    if latest is None or read_meta(latest)["iteration"] < done:
        save(run, trainer, done)
    if look.last != done:
        look(done)
    return done >= _last(config.iterations, config)


def _last(stop: int, config: TrainConfig) -> int:
    """Return the last iteration of a phase that makes a whole round."""
    return stop - stop % config.n_critic


def _fit(
    run: RunFolder,
    config: TrainConfig,
    trainer: Trainer,
    dataset: tf.data.Dataset,
    done: int,
    look: Callable[[int], object],
    progress: Progress,
) -> tuple[int, bool]:
    """Train on all rounds of a dataset; return the iterations done, and whether a signal came."""
    counting = {"iterations_per_step": config.n_critic, "initial_iteration": done}
    log = ScalarLog(run.scalars, **counting)
    stop = StopOnSignal()
    trainer.fit(
        dataset,
        steps_per_epoch=int(dataset.cardinality()),
        shuffle=False,
        verbose=0,
        callbacks=[
            log,
            TensorBoardScalars(run.tensorboard, every=10 * config.n_critic, **counting),
            EveryN(config.preview_every, look, **counting),
            EveryN(config.checkpoint_every, lambda i: save(run, trainer, i), **counting),
            ProgressBar(config.iterations, progress, SHOWN_SCALARS, **counting),
            stop,
        ],
    )
    return log.iteration, stop.received


def make_trainer(config: TrainConfig) -> Trainer:
    """Make the networks and optimizers of a run, compiled; call it in a strategy's scope."""
    policy = choose_precision(config.precision)
    keras.utils.set_random_seed(config.seed)
    trainer = find_procedure(config.model.name).trainer.make(config, make_generator(config, policy))
    trainer.compile(
        _make_optimizer(config, "generator", config.iterations // config.n_critic),
        _make_optimizer(config, "critic", config.iterations) if trainer.critics else None,
        jit_compile=compiles(),
    )
    trainer.enter(trainer.phases(config)[0])
    return trainer


def _make_optimizer(config: TrainConfig, role: str, updates: int) -> keras.optimizers.Optimizer:
    settings = config.optimizer
    rate: Any = settings.learning_rate
    if role == "critic" and settings.critic_learning_rate is not None:
        rate = settings.critic_learning_rate
    if settings.decay == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=updates)
    name = f"{role}_{settings.name}"
    if settings.name == "adadelta":
        return keras.optimizers.Adadelta(rate, epsilon=settings.epsilon, name=name)
    betas = settings.beta_1, settings.beta_2
    return keras.optimizers.Adam(rate, *betas, settings.epsilon, name=name)


def load_trainer(run: RunFolder) -> tuple[Trainer, TrainConfig, int]:
    """Load all networks of a run's newest checkpoint; return them, its settings and iteration.

    Raises:
        UserError: if there is no checkpoint, or it is damaged.
    """
    newest_checkpoint(run)
    config = load_config(TrainConfig, run.path / "config.json")
    trainer = make_trainer(config)
    return trainer, config, _restore(run, trainer)


def _open_photos(config: TrainConfig) -> PhotoSet:
    return open_photos(config.data.dataset, config.data.dir, config.data.subset)


def resolve(config: TrainConfig) -> TrainConfig:
    """Return the settings with numbers for what follows from the data set and the iterations.

    These are the mean color, where the settings ask for it, and the lengths of the phases, so that
    they stay as they are when a run is resumed for more iterations.

    Raises:
        UserError: if its photographs are missing.
    """
    changes: dict[str, Any] = {}
    if config.mask.color == "mean":
        color = np.round(mean_color(_open_photos(config))).astype(int).tolist()
        changes["mask"] = config.mask.model_copy(update={"color": tuple(color)})
    if len(find_procedure(config.model.name).trainer.phases(config)) > 1:
        changes["phases"] = config.phases.resolve(config.iterations)
    return config.model_copy(update=changes)


def mean_color(photos: PhotoSet) -> NDArray[np.float64]:
    """Return the mean grey levels `(3,)` of some training photographs, each weighing the same."""
    small = []
    for key in draw(photos.train, MEAN_OF):
        with contextlib.suppress(ImageError):
            small.append(photos.load(key, 8).mean(axis=(0, 1)))
    if not small:
        raise UserError(f"No photograph of '{photos.root}' can be read.")
    return np.asarray(np.mean(small, axis=0))


def save(run: RunFolder, trainer: Trainer, iteration: int) -> None:
    """Write a checkpoint, and drop those that are no longer needed."""
    writers: dict[str, Callable[[Path], None]] = {
        GENERATOR_FILE: trainer.generator.save,
        TRAINER_FILE: trainer.save_weights,
    }
    name = f"iteration-{iteration:08d}"
    save_checkpoint(run.checkpoints, name, writers, {"iteration": iteration})
    prune(run.checkpoints, KEPT_CHECKPOINTS)


def _restore(run: RunFolder, trainer: Trainer) -> int:
    clean(run.checkpoints)
    latest = latest_checkpoint(run.checkpoints)
    if latest is None:
        return 0
    verify(latest)
    try:
        trainer.load_weights(latest / TRAINER_FILE)
    except ValueError as error:
        raise UserError(
            f"Checkpoint '{latest}' is of another model than the config of run '{run.path}' "
            "describes. Put back the run's own checkpoints, or start a new run."
        ) from error
    return int(read_meta(latest)["iteration"])


def _check_data(run: RunFolder, photos: PhotoSet) -> None:
    recorded = run.read_manifest()["data"]["fingerprint"]
    if photos.fingerprint() != recorded:
        raise UserError(
            f"Run '{run.path}' was started on other photographs than '{photos.root}' has now "
            f"(fingerprint {recorded[:12]}). Bring them back, or start a new run."
        )


class _Look:
    """Draws the preview; keeps its scores and the validation's losses."""

    def __init__(self, run: RunFolder, preview: Preview, validation: Validation) -> None:
        self.run = run
        self.preview = preview
        self.validation = validation
        self.last: int | None = None
        self.writer = tf.summary.create_file_writer(str(run.tensorboard))

    def __call__(self, iteration: int) -> None:
        self.last = iteration
        scores, grid = self.preview.run()
        scores |= self.validation.run()
        write_picture(self.run.images / f"iteration-{iteration:08d}.png", Picture(grid))
        line: dict[str, Any] = {"iteration": iteration, **scores}
        with self.run.validation.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        with self.writer.as_default(step=iteration):
            tf.summary.image("preview", grid[np.newaxis])
            for name, value in scores.items():
                tf.summary.scalar(name, value)
