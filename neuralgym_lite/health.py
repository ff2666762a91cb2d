"""Warnings about training that goes wrong without an error."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuralgym_lite.callbacks import IterationCallback

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """A condition that shows that something is wrong.

    Attributes:
        scalar: Name of the scalar in the logs.
        is_violated: Takes the last values of the scalar, the newest last, and returns whether to
            warn.
        advice: What it means and what to try, in a sentence. `{value:.3g}` is the mean value.
    """

    scalar: str
    is_violated: Callable[[Values], bool]
    advice: str


class Health(IterationCallback):
    """Warns once about each rule that the last steps violate.

    Args:
        rules: The rules to check.
        log: Called with each warning.
        steps: Number of steps that a rule is checked on. There is no warning before that.
        counting: Keywords of `IterationCallback`.
    """

    def __init__(
        self, rules: Sequence[Rule], log: Callable[[str], object], steps: int = 200, **counting: int
    ) -> None:
        super().__init__(**counting)
        self.rules = rules
        self.log = log
        self.steps = steps
        self._values: dict[str, deque[float]] = {}
        self._reported: set[Rule] = set()

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Keep the scalars of this step, and check the rules if there are enough of them."""
        for name in {rule.scalar for rule in self.rules} & logs.keys():
            values = self._values.setdefault(name, deque(maxlen=self.steps))
            values.append(float(np.asarray(logs[name]).item()))
        for rule in self.rules:
            last = np.array(self._values.get(rule.scalar, ()))
            if rule in self._reported or len(last) < self.steps:
                continue
            if rule.is_violated(last):
                self._reported.add(rule)
                advice = rule.advice.format(value=last.mean())
                self.log(f"Warning: iteration {iteration}, {rule.scalar}: {advice}")


def above(limit: float) -> Callable[[Values], bool]:
    """Return a test of whether the median is above a limit. Single peaks do not count."""
    return lambda values: bool(np.median(values) > limit)


def below(limit: float) -> Callable[[Values], bool]:
    """Return a test of whether the median is below a limit."""
    return lambda values: bool(np.median(values) < limit)


def risen(factor: float) -> Callable[[Values], bool]:
    """Return a test of whether the median of the last third is `factor` times that of the first."""

    def has_risen(values: Values) -> bool:
        third = len(values) // 3
        return bool(np.median(values[-third:]) > factor * np.median(values[:third]))

    return has_risen
