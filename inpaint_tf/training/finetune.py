"""Runs that start from the weights of another run, or of any saved model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from inpaint_tf.importers.safetensors_model import load_generator
from inpaint_tf.model_source import ModelSource
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.registry import MODELS
from inpaint_tf.models.widening import can_widen, widen
from inpaint_tf.training.checkpoints import Checkpoints
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.run import load_trainer, make_trainer, resolve, start
from neuralgym_lite.config import to_dict
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.run_lock import RunLock

# What may differ between networks that can have the same weights.
_NOT_ARCHITECTURE = {"name", "dtype", "trainable", "mask_mode", "formulation"}


@dataclass(frozen=True)
class InitialWeights:
    """Networks whose weights a run starts from.

    Attributes:
        source: a run folder, a preset, an imported folder or a `.keras` file.
        generator: its generator.
        critics: its critics by name; empty if it has none, or none are taken.
        settings: the default settings of a run that starts from it.
        iteration: of the checkpoint, if the source is a run folder.
        critics_source: where the critics come from, if not from `source`.
    """

    source: Path
    generator: InpaintingModel
    critics: Mapping[str, keras.Model]
    settings: Mapping[str, Any]
    iteration: int | None = None
    critics_source: Path | None = None

    def with_critics_of(self, source: str | Path) -> InitialWeights:
        """Return this parent with the critics of another source.

        Raises:
            UserError: as `open_initial_weights`, and if the other source has no critics.
        """
        other = open_initial_weights(source)
        if not other.critics:
            raise UserError(f"'{source}' has no critics. Give a run that was trained with some.")
        return replace(self, critics=other.critics, critics_source=other.source)

    def record(self) -> dict[str, Any]:
        """Return the entry for the manifest of the run."""
        return {
            "source": str(self.source),
            "iteration": self.iteration,
            "generator_sha256": weights_sha256(self.generator),
            "critics": sorted(self.critics),
            "critics_source": str(self.critics_source or self.source) if self.critics else None,
        }


def weights_sha256(network: keras.Model) -> str:
    """Return the SHA-256 of a network's weights, which identifies the parent in a manifest."""
    weights = b"".join(weight.tobytes() for weight in network.get_weights())
    return hashlib.sha256(weights).hexdigest()


def open_initial_weights(source: str | Path) -> InitialWeights:
    """Load what a run is to start from.

    Args:
        source: a run folder, whose newest checkpoint is loaded, with its settings except for the
            data set and the phases; the name of a preset; a folder that `inpaint-tf import` wrote;
            or a `.keras` or `.safetensors` file, which has no critics.

    Raises:
        UserError: if the source does not exist, is damaged, or has no weights to train.
    """
    found = ModelSource.find(source)
    if found.run:
        trainer, config, iteration = load_trainer(found.run)
        # The data set is the new run's own, and the networks have been through their first phases.
        settings = {
            **to_dict(config),
            "data": {"image_size": config.data.image_size},
            "phases": {"completion": 0, "discriminator": 0},
        }
        return InitialWeights(found.path, trainer.generator, trainer.critics, settings, iteration)
    if found.kind == "classical":
        raise UserError(f"'{source}' has no weights to start from. Give a run or a saved model.")
    generator, critics = load_generator(found), found.load_critics()
    return InitialWeights(Path(source), generator, critics, _settings_of(generator, critics))


def start_from(
    parent: InitialWeights,
    config: TrainConfig,
    path: str | Path,
    overwrite: bool = False,
    command: Sequence[str] = (),
    lock: RunLock | None = None,
) -> tuple[RunFolder, TrainConfig]:
    """Create a run whose first checkpoint has the weights of a parent.

    The optimizers start afresh, and so do the critics if the parent has none. A contextual
    attention model may become a multiple as wide.

    Args:
        parent: the source of the weights.
        config: the settings.
        path: a folder that does not exist or is empty.
        overwrite: delete an earlier run in it first.
        command: the command line, for the manifest.
        lock: as for `start`.

    Returns:
        As `start`.

    Raises:
        UserError: as `start`, and if the settings ask for another architecture or for several
            machines.
    """
    if config.strategy == "multiworker":
        raise UserError(
            "A finetuned run is begun on one machine: leave out `strategy=multiworker`, stop it "
            "with Ctrl-C, and go on with `resume` and `strategy=multiworker` on each machine."
        )
    config = resolve(config)
    trainer = make_trainer(config)
    wider = can_widen(parent.generator, trainer.generator)
    _check_architecture(parent, trainer.generator, wider)
    if parent.critics:
        _check_critics(parent, trainer.critics)
    if wider:
        widen(parent.generator, trainer.generator, config.seed)
    else:
        trainer.generator.set_weights(parent.generator.get_weights())
    for name, critic in trainer.critics.items() if parent.critics else ():
        critic.set_weights(parent.critics[name].get_weights())
    run, config = start(config, path, overwrite, command, parent.record(), lock)
    Checkpoints(run, trainer, config).save(iteration=0)
    return run, config


def _settings_of(generator: InpaintingModel, critics: Mapping[str, keras.Model]) -> dict[str, Any]:
    """Return the settings that can be read from networks that have no run."""
    name = _name_of(generator)
    mode = generator.mask_mode
    settings = {
        "model.name": name,
        "model.width": generator.width,
        "model.compat": generator.compat,
        "mask.mode": mode.name,
        "mask.mosaic_unit_size": mode.unit,
        "mask.mosaic_interpolation": mode.interpolation,
        "mask.color": "grey" if mode.is_grey else [round(level) for level in mode.color],
    }
    if name == "stable-glcic":
        settings["model.wiring"] = generator.wiring
    if generator.fixed_size:
        settings["data.image_size"] = generator.fixed_size
    if {"local_critic", "global_critic"} <= set(critics):
        local, whole = critics["local_critic"], critics["global_critic"]
        settings |= {
            "data.image_size": whole.size[0],
            "mask.height": local.size[0],
            "mask.width": local.size[1],
            "model.critic_width": whole.width,
            "model.local_critic_last_width": local.last_width,
        }
    return settings


def _name_of(model: InpaintingModel) -> str:
    return next(name for name, kind in MODELS.items() if type(model) is kind)


def _check_architecture(parent: InitialWeights, generator: InpaintingModel, wider: bool) -> None:
    theirs, ours = (
        {"model": _name_of(model), **model.get_config()} for model in (parent.generator, generator)
    )
    free = _NOT_ARCHITECTURE | ({"width"} if wider else set())
    wrong = [key for key in theirs if key not in free and theirs[key] != ours.get(key)]
    if wrong:
        has = ", ".join(f"{key} {theirs[key]}" for key in wrong)
        asked = ", ".join(f"{key} {ours.get(key, '-')}" for key in wrong)
        raise UserError(
            f"'{parent.source}' is another network than the settings ask for: it has {has}; they "
            f"have {asked}. Leave out those settings to finetune it."
        )


def _check_critics(parent: InitialWeights, critics: Mapping[str, keras.Model]) -> None:
    for name, critic in critics.items():
        theirs = parent.critics.get(name)
        shapes = [tuple(weight.shape) for weight in theirs.weights] if theirs else None
        if shapes != [tuple(weight.shape) for weight in critic.weights]:
            raise UserError(
                f"The {name.replace('_', ' ')} of '{parent.critics_source or parent.source}' does "
                "not fit these settings, which have another size of pictures or holes, or another "
                "width. Keep the parent's, or start with fresh critics: `generator_only`."
            )
