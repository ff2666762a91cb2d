"""Moving averages of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

# Until it is over 1 / (1 - momentum) updates, the average is over the last ninth of all updates.
WARM_UP = 9


class WeightAverage:
    """The exponential moving average of variables. Make it in the scope of a strategy.

    Keras' own `use_ema` cannot be used: at the end of `fit` it overwrites the weights.

    Args:
        weights: the variables.
        momentum: between 0 and 1, both excluded. The average is over about 1 / (1 - momentum)
            updates, and over fewer at the beginning, so that it soon forgets the initial weights.

    Attributes:
        variables: the average, in the order of `weights`. They are zero before the first update.
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
        """Update the average after update number `count`, which is a number or tensor from 1."""
        before = ops.cast(count, "float32") - 1
        momentum = ops.minimum(self.momentum, before / (before + WARM_UP))
        for average, weight in zip(self.variables, self.weights, strict=True):
            average.assign(weight + momentum * (average - weight))

    def assign_to_weights(self) -> None:
        """Assign the average to the weights."""
        for average, weight in zip(self.variables, self.weights, strict=True):
            weight.assign(average)
