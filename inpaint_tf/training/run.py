"""Runs: made anew or opened again, with their settings, photographs, networks and optimizers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inpaint_tf.data import open_photos
from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.inference.loading import newest_checkpoint
from inpaint_tf.report.evaluation import draw
from inpaint_tf.training.checkpoints import MAY_CHANGE, Checkpoints
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.procedures import TRAINERS, check, make_generator
from inpaint_tf.training.trainer import Trainer
from neuralgym_lite.checkpoint import read_meta
from neuralgym_lite.config import load_config, to_dict, to_flat
from neuralgym_lite.distribution import accelerators, choose_precision, compiles, is_chief
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.images import ImageError, Tell
from neuralgym_lite.muon import ConvMuon, transposed_kernels
from neuralgym_lite.run_lock import RunLock

MEAN_OF = 512  # photographs that the mean color is taken over


def start(
    config: TrainConfig,
    path: str | Path,
    overwrite: bool = False,
    command: Sequence[str] = (),
    parent: Mapping[str, Any] | None = None,
    lock: RunLock | None = None,
) -> tuple[RunFolder, TrainConfig]:
    """Make the folder of a new run, with its settings and where it comes from.

    Of several machines the first makes it, on a disk that all of them see.

    Args:
        config: the settings.
        path: a folder that does not exist or is empty.
        overwrite: clear an earlier run from it first.
        command: the command line, for the record.
        parent: whose weights it starts from, for the record.
        lock: holds the folder from here on; None where no other process can be in it.

    Returns:
        The folder, and the settings as `resolve` returns them.

    Raises:
        UserError: if the photographs are missing, or the folder is taken or in use.
    """
    config = resolve(config)
    photos = open_run_photos(config)
    if not is_chief(config.strategy):
        return RunFolder(Path(path)), config
    run = RunFolder.create(path, overwrite, lock)
    origin = {
        "inpaint_tf": version("inpaint-tf"),
        "command": list(command),
        "seed": config.seed,
        "accelerators": accelerators(),
        "data": describe(photos),
        **({"parent": parent} if parent else {}),
    }
    run.write_manifest(to_dict(config), origin)
    return run, config


def resume(
    path: str | Path,
    flags: Mapping[str, Any],
    overrides: Sequence[str],
    force: bool = False,
    lock: RunLock | None = None,
) -> tuple[RunFolder, TrainConfig]:
    """Open an earlier run, with its settings and what may change in them.

    What is given anew becomes the run's own when its training begins (`remember`).

    Args:
        path: the run folder.
        flags: settings given anew, with dotted keys; those that are None were not.
        overrides: settings given anew, as `key=value`.
        force: let any setting change.
        lock: as for `start`.

    Raises:
        UserError: if there is no run, it is in use, a setting is given that its past depends on, or
            settings contradict each other.
    """
    run = RunFolder.open(path)
    stored_file = run.path / "config.json"
    stored = load_config(TrainConfig, stored_file)
    config = load_config(TrainConfig, stored_file, flags=flags, overrides=overrides)
    for name, value in to_flat(config).items():
        before = to_flat(stored).get(name)
        falls = name == "iterations" and stored.optimizer.decay != "none"
        if value != before and (falls or name not in MAY_CHANGE) and not force:
            raise UserError(
                f"Run '{path}' has {name}={before}, not {value}. Leave it out to "
                "resume, start a new run, or pass --force."
            )
    check(config)
    if lock and is_chief(config.strategy):
        lock.hold(run.path)
    return run, config


def remember(run: RunFolder, config: TrainConfig, photos: PhotoSet | None = None) -> None:
    """Make what a run was told last its own; its manifest keeps what it was before.

    Args:
        run: the run folder.
        config: the settings that it goes on with.
        photos: the photographs that it goes on with, where they may be others.
    """
    data = run.read_manifest()["data"]
    now = describe(photos) if photos else data
    if now != data or config != load_config(TrainConfig, run.path / "config.json"):
        run.replace_config(to_dict(config), now)


def describe(photos: PhotoSet) -> dict[str, Any]:
    """Return what a manifest says of photographs."""
    return {
        "root": str(photos.root),
        "train": len(photos.train),
        "test": len(photos.test),
        "fingerprint": photos.fingerprint(),
        "content": photos.content(),
    }


def make_trainer(config: TrainConfig) -> Trainer:
    """Make the networks and optimizers of a run, compiled; call it in a strategy's scope."""
    policy = choose_precision(config.precision)
    keras.utils.set_random_seed(config.seed)
    trainer = TRAINERS[config.model.name].make(config, make_generator(config, policy))
    generator_updates, critic_updates = count_updates(config)
    transposed = transposed_kernels(trainer.generator)
    trainer.compile(
        _make_optimizer(config, "generator", generator_updates, transposed),
        _make_optimizer(config, "critic", critic_updates) if trainer.critics else None,
        averaging=config.optimizer.averaging,
        jit_compile=compiles(),
    )
    trainer.enter(trainer.phases(config)[0])
    return trainer


def count_updates(config: TrainConfig) -> tuple[int, int]:
    """Return how often a whole run updates its generator and its critics, in all its phases."""
    generator = critics = begin = 0
    for phase in TRAINERS[config.model.name].phases(config):
        stop = phase.stop // config.n_critic
        generator += phase.trains_generator * (stop - begin)
        critics += phase.trains_critics * (stop - begin) * config.n_critic
        begin = stop
    return generator, critics


def _make_optimizer(
    config: TrainConfig, role: str, updates: int, transposed: Iterable[str] = ()
) -> keras.optimizers.Optimizer:
    settings = config.optimizer
    rate: Any = settings.rates()[role == "critic"]
    if settings.decay == "cosine":
        # One that is never updated needs a schedule all the same.
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=max(updates, 1))
    # Muon is for the generator.
    kind = "adam" if (role, settings.name) == ("critic", "muon") else settings.name
    # Each replica clips its own share of the gradients, before they are added up.
    share = tf.distribute.get_strategy().num_replicas_in_sync
    clip_norm = settings.clip_norm and settings.clip_norm / share
    common = {"epsilon": settings.epsilon, "global_clipnorm": clip_norm, "name": f"{role}_{kind}"}
    if kind == "adadelta":
        return keras.optimizers.Adadelta(rate, **common)
    if kind == "muon":
        return ConvMuon(rate, settings.beta_1, settings.beta_2, transposed=transposed, **common)
    return keras.optimizers.Adam(rate, settings.beta_1, settings.beta_2, **common)


def load_trainer(run: RunFolder) -> tuple[Trainer, TrainConfig, int]:
    """Load all networks of a run's newest checkpoint; return them, its settings and iteration.

    The generator has the weights that the run saved for use: the average, where it kept one.

    Raises:
        UserError: if there is no checkpoint, or it is damaged.
    """
    checkpoint = newest_checkpoint(run)
    config = load_config(TrainConfig, run.path / "config.json")
    trainer = make_trainer(config)
    Checkpoints(run, trainer, config).load(checkpoint)
    trainer.use_average()
    return trainer, config, int(read_meta(checkpoint)["iteration"])


def open_run_photos(config: TrainConfig, tell: Tell | None = None) -> PhotoSet:
    """Open the photographs of a run; `tell` is as for `open_photos`."""
    return open_photos(config.data.dataset, config.data.dir, config.data.subset, tell)


def resolve(config: TrainConfig) -> TrainConfig:
    """Return the settings with numbers for what follows from the data set and the iterations.

    These are the mean color, where the settings ask for it, and the lengths of the phases, so that
    they stay as they are when a run is resumed for more iterations.

    Raises:
        UserError: if its photographs are missing.
    """
    changes: dict[str, Any] = {}
    if config.mask.color == "mean":
        color = np.round(mean_color(open_run_photos(config))).astype(int).tolist()
        changes["mask"] = config.mask.model_copy(update={"color": tuple(color)})
    trainer = TRAINERS[config.model.name]
    if len(trainer.phases(config)) > 1:
        changes["phases"] = config.phases.resolve(config.iterations, trainer.phase_shares)
    return config.model_copy(update=changes)


def mean_color(photos: PhotoSet) -> NDArray[np.float64]:
    """Return the mean grey levels `(3,)` of some training photographs, each weighing the same."""
    small = []
    for key in draw(photos.train, MEAN_OF):
        with contextlib.suppress(ImageError):
            small.append(photos.load(key, 8).mean(axis=(0, 1)))
    if not small:
        raise UserError(f"No photograph of '{photos.where}' can be read.")
    return np.asarray(np.mean(small, axis=0))
