"""One training run from its settings to its last checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from inpaint_tf.data import open_photos
from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.models import InpaintingModel, create, create_critic
from inpaint_tf.models.registry import find
from inpaint_tf.training.adversarial import AdversarialTrainer
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.preview import Preview
from inpaint_tf.training.rounds import RoundMaker
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
from neuralgym_lite.images import Picture, write_picture
from neuralgym_lite.pipeline import index_driven
from neuralgym_lite.progress import Progress

GENERATOR_FILE = "generator.keras"
TRAINER_FILE = "trainer.weights.h5"
KEPT_CHECKPOINTS = 2
# What a resumed run may be given anew, because no number of its past depends on it.
MAY_CHANGE = ("iterations", "strategy", "preview_every", "checkpoint_every")
SHOWN_SCALARS = ("l1", "ae", "wgan_d", "wgan_gp")


def start(
    config: TrainConfig, path: str | Path, overwrite: bool = False, command: Sequence[str] = ()
) -> RunFolder:
    """Make the folder of a new run, with its settings and where it comes from.

    Args:
        config: the settings.
        path: a folder that does not exist or is empty.
        overwrite: clear an earlier run from it first.
        command: the command line, for the record.

    Raises:
        UserError: if the settings contradict each other, the photographs are missing, or the
            folder is taken.
    """
    find(config.model.name)
    config.mask.make_shape(config.data.image_size)
    photos = open_photos(config.data.dataset, config.data.dir)
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
    }
    run.write_manifest(to_dict(config), origin)
    return run


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
    photos = open_photos(config.data.dataset, config.data.dir)
    _check_data(run, photos)
    strategy = make_strategy(config.strategy)
    with strategy.scope():
        trainer = make_trainer(config)
    done = _restore(run, trainer)
    rounds = config.iterations // config.n_critic
    first = done // config.n_critic
    if first >= rounds:
        progress.say(f"'{run.path}' has its {done} iterations already.")
        return True

    maker = RoundMaker(photos, config, on_bad_photo=lambda error: progress.say(f"Skipped: {error}"))
    dataset = index_driven(maker.make, first, rounds)
    counting = {"iterations_per_step": config.n_critic, "initial_iteration": done}
    keep_until(run.validation, done)
    look = _Look(run, Preview(trainer.generator, photos, config.data.image_size, config.seed))

    def save(iteration: int) -> None:
        _save(run, trainer, iteration)

    stop = StopOnSignal()
    trainer.fit(
        dataset,
        steps_per_epoch=rounds - first,
        shuffle=False,
        verbose=0,
        callbacks=[
            ScalarLog(run.scalars, **counting),
            TensorBoardScalars(run.tensorboard, every=10 * config.n_critic, **counting),
            EveryN(config.preview_every, look, **counting),
            EveryN(config.checkpoint_every, save, **counting),
            ProgressBar(rounds * config.n_critic, progress, SHOWN_SCALARS, **counting),
            stop,
        ],
    )
    reached = int(trainer.critic_optimizer.iterations.numpy())
    latest = latest_checkpoint(run.checkpoints)
    if latest is None or read_meta(latest)["iteration"] < reached:
        save(reached)
    if look.last != reached:
        look(reached)
    return not stop.received


def make_trainer(config: TrainConfig) -> AdversarialTrainer:
    """Make the networks and optimizers of a run, compiled; call it in a strategy's scope."""
    policy = choose_precision(config.precision)
    keras.utils.set_random_seed(config.seed)
    model, size = config.model, config.data.image_size
    shape = config.mask.make_shape(size)
    common = {"compat": model.compat, "dtype": policy}
    critics = {**common, "width": model.critic_width}
    trainer = AdversarialTrainer(
        create(model.name, width=model.width, mask_mode=config.mask.make_mode(), **common),
        create_critic(
            "local",
            size=(shape.height, shape.width),
            last_width=model.local_critic_last_width,
            **critics,
        ),
        create_critic("global", size=size, **critics),
        config.loss,
        config.n_critic,
    )
    trainer.compile(
        _make_adam(config, "generator_adam", updates=config.iterations // config.n_critic),
        _make_adam(config, "critic_adam", updates=config.iterations),
        jit_compile=compiles(),
    )
    return trainer


def _make_adam(config: TrainConfig, name: str, updates: int) -> keras.optimizers.Adam:
    adam = config.optimizer
    rate: Any = adam.learning_rate
    if adam.decay == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=updates)
    return keras.optimizers.Adam(rate, adam.beta_1, adam.beta_2, adam.epsilon, name=name)


def load_generator(run: RunFolder) -> InpaintingModel:
    """Load the network of a run's newest checkpoint.

    Raises:
        UserError: if there is no checkpoint, or it is damaged.
    """
    latest = latest_checkpoint(run.checkpoints)
    if latest is None:
        raise UserError(f"Run '{run.path}' has no checkpoint yet. Train it further first.")
    verify(latest)
    return keras.models.load_model(latest / GENERATOR_FILE, compile=False)


def _save(run: RunFolder, trainer: AdversarialTrainer, iteration: int) -> None:
    writers: dict[str, Callable[[Path], None]] = {
        GENERATOR_FILE: trainer.generator.save,
        TRAINER_FILE: trainer.save_weights,
    }
    name = f"iteration-{iteration:08d}"
    save_checkpoint(run.checkpoints, name, writers, {"iteration": iteration})
    prune(run.checkpoints, KEPT_CHECKPOINTS)


def _restore(run: RunFolder, trainer: AdversarialTrainer) -> int:
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
    """Draws the preview and keeps its scores."""

    def __init__(self, run: RunFolder, preview: Preview) -> None:
        self.run = run
        self.preview = preview
        self.last: int | None = None
        self.writer = tf.summary.create_file_writer(str(run.tensorboard))

    def __call__(self, iteration: int) -> None:
        self.last = iteration
        scores, grid = self.preview.run()
        write_picture(self.run.images / f"iteration-{iteration:08d}.png", Picture(grid))
        line: dict[str, Any] = {"iteration": iteration, **scores}
        with self.run.validation.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        with self.writer.as_default(step=iteration):
            tf.summary.image("preview", grid[np.newaxis])
            for name, value in scores.items():
                tf.summary.scalar(name, value)
