"""Muon, for networks of convolutions."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

# Kernels of fewer channels paint a picture or score one: as the last layers of other networks, they
# are Adam's.
LEAST_CHANNELS = 4
# Root mean square of a step as a multiple of the learning rate, which is about that of Adam's.
STEP = 0.2


@keras.saving.register_keras_serializable(package="neuralgym_lite")
class ConvMuon(keras.optimizers.Muon):
    """Muon whose matrices are the kernels of convolutions.

    Keras' own takes matrices alone, and would leave all of a network of convolutions to Adam. Here
    a kernel is a matrix with a row for each input of an output channel: the momentum of its
    gradient is made orthogonal, and scaled to the size of Adam's steps, so that the learning rate
    is about Adam's. All other weights are trained by Adam, without decay.

    Args:
        learning_rate: or a schedule.
        beta_1: of Adam.
        beta_2: of Adam.
        **kwargs: those of every Keras optimizer.

    Reference:
        Jordan et al. 2024, "Muon: An Optimizer for Hidden Layers in Neural Networks"
        (kellerjordan.github.io/posts/muon); the scale is that of Liu et al. 2025, section 2.2
        (arxiv.org/abs/2502.16982).
    """

    def __init__(
        self, learning_rate: Any = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999, **kwargs: Any
    ) -> None:
        decays = {"weight_decay": None, "adam_weight_decay": None}
        super().__init__(
            learning_rate, adam_beta_1=beta_1, adam_beta_2=beta_2, **{**decays, **kwargs}
        )

    def _should_use_adamw(self, variable: Any) -> bool:
        return len(variable.shape) != 4 or variable.shape[-1] < LEAST_CHANNELS

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        step = ops.add(gradient, self.momentum * m) if self.nesterov else m
        matrix = ops.reshape(step, (-1, variable.shape[-1]))
        update = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        scale = STEP * math.sqrt(max(matrix.shape))
        self.assign_sub(variable, ops.reshape(lr * scale * update, variable.shape))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer again."""
        config = super().get_config()
        names = {"adam_beta_1": "beta_1", "adam_beta_2": "beta_2"}
        return {names.get(key, key): value for key, value in config.items()}
