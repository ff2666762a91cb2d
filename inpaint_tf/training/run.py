"""Runs: created or opened again, with their settings, photographs and networks."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from inpaint_tf.data import open_photos
from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.data.split import draw
from inpaint_tf.metrics import lpips_weights
from inpaint_tf.model_source import newest_checkpoint
from inpaint_tf.training.checkpoints import Checkpoints, differences
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.optimizers import compile_trainer
from inpaint_tf.training.procedures import (
    TRAINERS,
    check,
    has_perceptual_loss,
    make_generator,
)
from inpaint_tf.training.trainer import Trainer
from neuralgym_lite.checkpoint import read_meta
from neuralgym_lite.config import load_config, to_dict, to_flat
from neuralgym_lite.distribution import accelerators, check_strategy, choose_precision, is_chief
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.image_folders import Log
from neuralgym_lite.images import ImageError
from neuralgym_lite.run_lock import RunLock

_MEAN_OF = 512  # Photographs that the mean color is computed from.


def start(
    config: TrainConfig,
    path: str | Path,
    overwrite: bool = False,
    command: Sequence[str] = (),
    parent: Mapping[str, Any] | None = None,
    lock: RunLock | None = None,
) -> tuple[RunFolder, TrainConfig]:
    """Create the folder of a new run, with its settings and a manifest.

    With several machines the first one creates it, on a disk that all of them see.

    Args:
        config: The settings.
        path: A folder that does not exist or is empty.
        overwrite: Whether to clear an earlier run from the folder first. Defaults to False.
        command: The command line, for the manifest.
        parent: The origin of the initial weights, for the manifest. Defaults to None.
        lock: Locks the folder from here on. Defaults to None, for when no other process can use it.

    Returns:
        The folder, and the settings as `resolve` returns them.

    Raises:
        UserError: If the photographs or weights of LPIPS are missing, or the folder is taken or in
            use.
    """
    check_strategy(config.strategy)
    if has_perceptual_loss(config):
        lpips_weights.find("lpips-squeeze")
    config = resolve(config)
    photos = open_run_photos(config)
    if not is_chief(config.strategy):
        return RunFolder(path), config
    run = RunFolder.create(path, overwrite, lock)
    origin = {
        "inpaint_tf": version("inpaint-tf"),
        "command": list(command),
        "seed": config.seed,
        "accelerators": accelerators(),
        "data": _describe(photos),
    }
    run.write_manifest(to_dict(config), {**origin, "parent": parent} if parent else origin)
    return run, config


def resume(
    path: str | Path,
    flags: Mapping[str, Any],
    overrides: Sequence[str],
    force: bool = False,
    lock: RunLock | None = None,
) -> tuple[RunFolder, TrainConfig]:
    """Open an earlier run, with its settings and changes to them.

    The changes are written to the run when its training begins (`remember`).

    Args:
        path: The run folder.
        flags: New settings, with dotted keys. Those that are None are not changed.
        overrides: New settings, as `key=value`.
        force: Whether any setting may change. Defaults to False.
        lock: As for `start`.

    Returns:
        The folder, and the settings with the changes.

    Raises:
        UserError: If there is no run, it is in use, a setting changes that the run so far depends
            on, or settings contradict each other.
    """
    run = RunFolder.open(path)
    stored_file = run.path / "config.json"
    stored = load_config(TrainConfig, stored_file)
    config = load_config(TrainConfig, stored_file, flags=flags, overrides=overrides)
    before, after = to_flat(stored), to_flat(config)
    changed = differences(before, after)
    # A learning rate that falls to zero over the run depends on its length.
    if stored.optimizer.decay != "none" and stored.iterations != config.iterations and not force:
        raise UserError(
            f"Run '{path}' has iterations={stored.iterations}, and its learning rate falls to zero "
            f"over them (optimizer.decay={stored.optimizer.decay}). Pass `force` to raise the rate "
            f"again and train up to {config.iterations}, or finetune from the run."
        )
    if changed and not force:
        name = changed[0]
        raise UserError(
            f"Run '{path}' has {name}={before[name]}, not {after.get(name)}. Leave it out to "
            "resume, start a new run, or pass `force`."
        )
    check(config)
    check_strategy(config.strategy)
    if lock and is_chief(config.strategy):
        lock.hold(run.path)
    return run, config


def remember(run: RunFolder, config: TrainConfig, photos: PhotoSet | None = None) -> None:
    """Write changed settings to a run. Its manifest keeps those from before.

    Args:
        run: The run folder.
        config: The settings that the run continues with.
        photos: The photographs that it continues with, if they may be other ones. Defaults to None.
    """
    data = run.read_manifest()["data"]
    now = _describe(photos) if photos else data
    if now != data or config != load_config(TrainConfig, run.path / "config.json"):
        run.replace_config(to_dict(config), now)


def _describe(photos: PhotoSet) -> dict[str, Any]:
    """Return the entry of the photographs in a manifest."""
    return {
        "root": str(photos.root or ""),
        "train": len(photos.train),
        "test": len(photos.test),
        "fingerprint": photos.fingerprint(),
        "content": photos.content(),
    }


def make_trainer(config: TrainConfig) -> Trainer:
    """Make the networks and optimizers of a run, compiled. Call it in the scope of the strategy."""
    policy = choose_precision(config.precision)
    keras.utils.set_random_seed(config.seed)
    generator = make_generator(config, policy)
    kind = TRAINERS[config.model.name]
    critics = kind.make_critics(config, generator.dtype_policy)
    trainer = kind(generator, **critics, loss=config.loss, n_critic=config.n_critic)
    compile_trainer(trainer, config)
    trainer.enter(trainer.phases(config)[0])
    return trainer


def load_trainer(run: RunFolder) -> tuple[Trainer, TrainConfig, int]:
    """Load all networks of a run's newest checkpoint.

    The generator has the weights that the run saved for use: the average, if it kept one.

    Returns:
        The trainer, the settings of the run, and the iteration of the checkpoint.

    Raises:
        UserError: If there is no checkpoint, or it is damaged.
    """
    checkpoint = newest_checkpoint(run)
    config = load_config(TrainConfig, run.path / "config.json")
    trainer = make_trainer(config)
    Checkpoints(run, trainer, config).load(checkpoint)
    trainer.use_average()
    return trainer, config, int(read_meta(checkpoint)["iteration"])


def open_run_photos(config: TrainConfig, log: Log | None = None) -> PhotoSet:
    """Open the photographs of a run. `log` is as for `open_photos`."""
    return open_photos(config.data.dataset, config.data.dir, config.data.subset, log)


def resolve(config: TrainConfig) -> TrainConfig:
    """Return the settings with numbers for what depends on the data set and the iterations.

    These are the mean color, if the settings ask for it, and the lengths of the phases, so that
    they do not change when a run is resumed for more iterations.

    Raises:
        UserError: If the photographs are missing.
    """
    changes: dict[str, Any] = {}
    if config.mask.color == "mean":
        color = _mean_color(open_run_photos(config))
        changes["mask"] = config.mask.model_copy(update={"color": color})
    kind = TRAINERS[config.model.name]
    if any(kind.phase_shares) or len(kind.phases(config)) > 1:
        changes["phases"] = config.phases.resolve(config.iterations, kind.phase_shares)
    return config.model_copy(update=changes)


def _mean_color(photos: PhotoSet) -> tuple[int, ...]:
    """Return the mean of some training photographs, all of equal weight, in grey levels."""
    small = []
    for key in draw(photos.train, _MEAN_OF):
        with contextlib.suppress(ImageError):
            small.append(photos.load(key, 8).mean(axis=(0, 1)))
    if not small:
        raise UserError(f"No photograph of '{photos.where}' can be read.")
    return tuple(np.round(np.mean(small, axis=0)).astype(int).tolist())
