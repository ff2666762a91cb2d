"""How each model is trained: its procedure, and where its settings differ from the defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inpaint_tf.models import InpaintingModel, create
from inpaint_tf.models.registry import find
from inpaint_tf.training.adversarial import AdversarialTrainer
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.context_encoder import ContextEncoderTrainer
from inpaint_tf.training.glcic import GLCICTrainer
from inpaint_tf.training.regression import RegressionTrainer
from inpaint_tf.training.trainer import Trainer
from neuralgym_lite.config import load_config
from neuralgym_lite.errors import UserError, did_you_mean

MAX_PIXELS = 1 << 31  # in a round: a hundred times the paper's
MAX_WEIGHTS = 1 << 30


@dataclass(frozen=True)
class Procedure:
    """How a model is trained.

    Attributes:
        trainer: class of the trainer.
        settings: what differs from the defaults of `TrainConfig`, with dotted keys.
        options: arguments of the model beside width, dialect and mask mode.
    """

    trainer: type[Trainer]
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Callable[[TrainConfig], dict[str, Any]] = lambda config: {}


PROCEDURES = {
    "ca": Procedure(AdversarialTrainer),
    "stable-glcic": Procedure(
        AdversarialTrainer, options=lambda config: {"wiring": config.model.wiring}
    ),
    # Iizuka et al. 2017: Adadelta, 500,000 iterations in three phases, the mean color in the hole.
    "glcic": Procedure(
        GLCICTrainer,
        {
            "mask.color": "mean",
            "mask.same_box": False,
            "model.width": 64,
            "loss.gan_loss_alpha": 4e-4,
            "optimizer.name": "adadelta",
            "optimizer.learning_rate": 1.0,
            "optimizer.epsilon": 1e-6,
            "iterations": 500_000,
            "batch_size": 96,
            "n_critic": 1,
        },
    ),
    # Pathak et al. 2016 and the released code: the generator learns ten times as fast.
    "context-encoder": Procedure(
        ContextEncoderTrainer,
        {
            "data.image_size": 128,
            "mask.color": [117, 104, 123],
            "model.width": 64,
            "loss.gan_loss_alpha": 0.001,
            "optimizer.learning_rate": 2e-3,
            "optimizer.critic_learning_rate": 2e-4,
            "optimizer.beta_2": 0.999,
            "n_critic": 1,
        },
        options=lambda config: {"image_size": config.data.image_size},
    ),
    # The paper's baseline and its code: a white hole, always in the middle, of half the side.
    "autoencoder": Procedure(
        RegressionTrainer,
        {
            "data.image_size": 128,
            "mask.color": [255, 255, 255],
            "mask.place": "center",
            "mask.max_delta": 0,
            "model.width": 64,
            "optimizer.beta_1": 0.9,
            "optimizer.beta_2": 0.999,
            "iterations": 100_000,
            "batch_size": 32,
            "n_critic": 1,
        },
    ),
}


def find_procedure(name: str) -> Procedure:
    """Return how a model is trained.

    Raises:
        UserError: if no model has this name.
    """
    if name not in PROCEDURES:
        raise UserError(f"Unknown model: '{name}'. {did_you_mean(name, PROCEDURES)}")
    return PROCEDURES[name]


def load_train_config(
    path: str | Path | None,
    flags: Mapping[str, Any],
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Return the settings of a run.

    Args:
        path: a YAML file, or None.
        flags: what was given on the command line, with dotted keys.
        overrides: what was given as `key=value`.
        settings: what the others stand on; those of the model's procedure by default.

    Raises:
        UserError: if a setting is wrong, or settings contradict each other.
    """
    if settings is None:
        draft = load_config(TrainConfig, path, flags=flags, overrides=overrides)
        settings = find_procedure(draft.model.name).settings
    config = load_config(TrainConfig, path, base=settings, flags=flags, overrides=overrides)
    check(config)
    return config


def check(config: TrainConfig) -> None:
    """Raise a UserError if settings are right alone but not together."""
    procedure = find_procedure(config.model.name)
    config.mask.make_shape(config.data.image_size)
    if procedure.trainer is RegressionTrainer and config.n_critic != 1:
        raise UserError(
            f"Model '{config.model.name}' is trained without critics, so that n_critic must be 1. "
            f"Received: {config.n_critic}"
        )
    if procedure.trainer is RegressionTrainer and config.phases.discriminator:
        raise UserError(
            f"Model '{config.model.name}' is trained without critics, so that "
            f"phases.discriminator must be 0. Received: {config.phases.discriminator}"
        )
    if config.iterations < config.n_critic:
        raise UserError(
            f"A round has n_critic={config.n_critic} iterations, so that there must be as many. "
            f"Received: iterations={config.iterations}"
        )
    multiple = find(config.model.name).multiple
    if config.data.image_size % multiple:
        raise UserError(
            f"Model '{config.model.name}' takes sizes that are multiples of {multiple} pixels. "
            f"Received: data.image_size={config.data.image_size}"
        )
    _check_memory(config)


def _check_memory(config: TrainConfig) -> None:
    """Raise a UserError if no machine could hold a round, or the network."""
    model, side = config.model, config.data.image_size
    pixels = config.n_critic * config.batch_size * side**2
    if pixels > MAX_PIXELS:
        raise UserError(
            f"n_critic={config.n_critic} batches of batch_size={config.batch_size} pictures with "
            f"data.image_size={side} have {pixels:,} pixels, and {MAX_PIXELS:,} are the most. "
            "Choose smaller numbers."
        )
    options = find_procedure(model.name).options(config)
    weights = find(model.name).least_weights(model.width, **options)
    if weights > MAX_WEIGHTS:
        raise UserError(
            f"Model '{model.name}' with model.width={model.width} and data.image_size={side} has "
            f"{weights:,} weights or more, and {MAX_WEIGHTS:,} are the most. Choose less."
        )


def make_generator(config: TrainConfig, dtype: str) -> InpaintingModel:
    """Make the network of a run with fresh weights."""
    model = config.model
    return create(
        model.name,
        width=model.width,
        compat=model.compat,
        mask_mode=config.mask.make_mode(),
        dtype=dtype,
        **find_procedure(model.name).options(config),
    )
