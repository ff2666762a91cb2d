"""How each model is trained: its trainer, and the settings of a run, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inpaint_tf import configs
from inpaint_tf.metrics.lpips_model import SMALLEST_SIDE
from inpaint_tf.models import InpaintingModel, create
from inpaint_tf.models.registry import find
from inpaint_tf.training.adversarial import AdversarialTrainer
from inpaint_tf.training.config import TrainConfig, WGANLossConfig
from inpaint_tf.training.context_encoder import ContextEncoderTrainer
from inpaint_tf.training.glcic import GLCICTrainer
from inpaint_tf.training.regression import RegressionTrainer
from inpaint_tf.training.trainer import Trainer
from neuralgym_lite.config import load_config
from neuralgym_lite.errors import UserError

MAX_PIXELS = 1 << 31  # per round: a hundred times the paper's
MAX_WEIGHTS = 1 << 30


TRAINERS: dict[str, type[Trainer]] = {
    "ca": AdversarialTrainer,
    "stable-glcic": AdversarialTrainer,
    "glcic": GLCICTrainer,
    "context-encoder": ContextEncoderTrainer,
    "autoencoder": RegressionTrainer,
}


def load_train_config(
    path: str | Path | None,
    flags: Mapping[str, Any],
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Return the settings of a run, checked.

    Args:
        path: a YAML file, the name of a packaged config, or None.
        flags: settings with dotted keys, such as those from the command line.
        overrides: settings as `key=value`.
        settings: override the defaults of the model.

    Raises:
        UserError: if a setting is wrong, or settings contradict each other.

    Example:
        >>> load_train_config("ca-animals-hole", {"batch_size": 16}).iterations
        150000
    """
    file = None if path is None else configs.locate(path)
    config = load_config(TrainConfig, file, base=settings, flags=flags, overrides=overrides)
    check(config)
    return config


def check(config: TrainConfig) -> None:
    """Raise a UserError if settings are valid one by one but not together."""
    model = config.model.name
    config.mask.make_shape(config.data.image_size)
    if TRAINERS[model] is RegressionTrainer and config.n_critic != 1:
        raise UserError(
            f"Model '{model}' is trained without critics, so n_critic must be 1. "
            f"Received: {config.n_critic}"
        )
    if TRAINERS[model] is RegressionTrainer and config.phases.discriminator:
        raise UserError(
            f"Model '{model}' is trained without critics, so phases.discriminator must be 0. "
            f"Received: {config.phases.discriminator}"
        )
    if config.iterations < config.n_critic:
        raise UserError(
            f"A run has at least n_critic={config.n_critic} iterations. "
            f"Received: iterations={config.iterations}"
        )
    multiple = find(model).multiple
    if config.data.image_size % multiple:
        raise UserError(
            f"Model '{model}' takes sizes that are multiples of {multiple} pixels. "
            f"Received: data.image_size={config.data.image_size}"
        )
    _check_perceptual_loss(config)
    _check_memory(config)


def _check_perceptual_loss(config: TrainConfig) -> None:
    """Raise a UserError if images are too small for LPIPS."""
    if has_perceptual_loss(config) and config.data.image_size < SMALLEST_SIDE:
        raise UserError(
            f"loss.perceptual_alpha needs images of {SMALLEST_SIDE} pixels or more. "
            f"Received: data.image_size={config.data.image_size}"
        )


def has_perceptual_loss(config: TrainConfig) -> bool:
    """Return whether a run computes LPIPS, whose weights must be on the machine."""
    return isinstance(config.loss, WGANLossConfig) and config.loss.perceptual_alpha > 0


def _check_memory(config: TrainConfig) -> None:
    """Raise a UserError if a round or the network would not fit into any machine's memory."""
    model, side = config.model, config.data.image_size
    pixels = config.n_critic * config.batch_size * side**2
    if pixels > MAX_PIXELS:
        raise UserError(
            f"n_critic={config.n_critic} batches of batch_size={config.batch_size} images with "
            f"data.image_size={side} have {pixels:,} pixels. The limit is {MAX_PIXELS:,}. "
            "Choose smaller numbers."
        )
    weights = find(model.name).least_weights(model.width, **config.network_options())
    if weights > MAX_WEIGHTS:
        raise UserError(
            f"Model '{model.name}' with model.width={model.width} and data.image_size={side} has "
            f"{weights:,} weights or more. The limit is {MAX_WEIGHTS:,}. Choose smaller numbers."
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
        **config.network_options(),
    )
