"""A moving average of weights, which is steadier than the weights of the last update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

# The average is over the last ninth of the updates until it is over 1 / (1 - momentum) of them.
WARM_UP = 9


class WeightAverage:
    """The moving average of some variables; make it in the scope of a strategy.

    Keras' own, `use_ema`, cannot be had beside the weights: `fit` overwrites them at its end.

    Args:
        weights: the variables.
        momentum: in (0, 1); the average is over some 1 / (1 - momentum) updates, and over fewer in
            the beginning, so that it soon forgets where training began.

    Attributes:
        variables: the average, in the order of `weights`; zeros before the first update.
    """

    def __init__(self, weights: Sequence[Any], momentum: float) -> None:
        if not 0 < momentum < 1:
            raise ValueError(f"momentum must be in (0, 1). Received: momentum={momentum}")
        self.weights = list(weights)
        self.momentum = momentum
        self.variables = [
            keras.Variable(
                "zeros",
                shape=weight.shape,
                dtype=weight.dtype,
                trainable=False,
                aggregation="only_first_replica",
                name=f"{weight.name}_average",
            )
            for weight in self.weights
        ]

    def update(self, count: Any) -> None:
        """Take in the weights as they are after update `count`, a number or tensor from 1."""
        before = ops.cast(count, "float32") - 1
        momentum = ops.minimum(self.momentum, before / (before + WARM_UP))
        for average, weight in zip(self.variables, self.weights, strict=True):
            average.assign(weight + momentum * (average - weight))

    def give(self) -> None:
        """Overwrite the weights by their average."""
        for average, weight in zip(self.variables, self.weights, strict=True):
            weight.assign(average)
