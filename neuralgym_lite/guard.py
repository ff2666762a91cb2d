"""A callback that ends training at the first NaN or infinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuralgym_lite.callbacks import IterationCallback
from neuralgym_lite.errors import UserError


class NotFiniteError(UserError):
    """A scalar became NaN or infinite in the step that ends with `iteration`."""

    def __init__(self, iteration: int, scalar: str, value: float) -> None:
        super().__init__(f"At iteration {iteration} '{scalar}' became {value}.")
        self.iteration = iteration
        self.scalar = scalar
        self.value = value


class FiniteGuard(IterationCallback):
    """Raises `NotFiniteError` after a step in which any scalar of the logs is not finite.

    Keras' `TerminateOnNaN` checks `loss` alone, which misses the losses of critics. Put this before
    the callbacks that save.
    """

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Check every scalar."""
        for name, value in logs.items():
            numbers = np.asarray(value, "float64")
            if not np.isfinite(numbers).all():
                wrong = numbers[~np.isfinite(numbers)].flat[0]
                raise NotFiniteError(iteration, name, float(wrong))
