"""The optimizers of a run, from its settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.procedures import TRAINERS
from inpaint_tf.training.trainer import Trainer
from neuralgym_lite.distribution import compiles, replicas
from neuralgym_lite.muon import ConvMuon, transposed_kernels


def compile_trainer(trainer: Trainer, config: TrainConfig) -> None:
    """Give a trainer its optimizers. Call it in the scope of the strategy."""
    generator_updates, critic_updates = count_updates(config)
    transposed = transposed_kernels(trainer.generator)
    trainer.compile(
        _make_optimizer(config, "generator", generator_updates, transposed),
        _make_optimizer(config, "critic", critic_updates) if trainer.critics else None,
        averaging=config.optimizer.averaging,
        jit_compile=compiles(),
    )


def count_updates(config: TrainConfig) -> tuple[int, int]:
    """Return how often a whole run updates its generator and its critics, in all its phases."""
    generator = critics = begin = 0
    for phase in TRAINERS[config.model.name].phases(config):
        iterations = phase.stop - begin
        generator += phase.trains_generator * iterations // config.n_critic
        critics += phase.trains_critics * iterations
        begin = phase.stop
    return generator, critics


def _make_optimizer(
    config: TrainConfig, role: str, updates: int, transposed: Iterable[str] = ()
) -> keras.optimizers.Optimizer:
    settings = config.optimizer
    rate: Any = settings.rates()[role == "critic"]
    if settings.decay == "cosine":
        # An optimizer that is never used needs a schedule all the same.
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=max(updates, 1))
    # Muon is for the generator alone.
    kind = "adam" if (role, settings.name) == ("critic", "muon") else settings.name
    # Each replica clips its share of the gradients before they are added up.
    clip_norm = settings.clip_norm and settings.clip_norm / replicas()
    common = {"epsilon": settings.epsilon, "global_clipnorm": clip_norm, "name": f"{role}_{kind}"}
    if kind == "adadelta":
        return keras.optimizers.Adadelta(rate, **common)
    if kind == "muon":
        return ConvMuon(rate, settings.beta_1, settings.beta_2, transposed=transposed, **common)
    return keras.optimizers.Adam(rate, settings.beta_1, settings.beta_2, **common)
