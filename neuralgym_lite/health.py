"""Warnings in words when training goes wrong without an error."""

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
    """A sign that something is wrong.

    Attributes:
        scalar: name in the logs.
        is_ill: given the scalar's last steps, the newest last, tells whether they are a bad sign.
        advice: what it means and what to try, in a sentence; `{value:.3g}` is their mean.
    """

    scalar: str
    is_ill: Callable[[Values], bool]
    advice: str


class Health(IterationCallback):
    """Looks at the last steps now and then, and says what looks wrong; each thing once.

    Args:
        rules: what to look for.
        say: called with each warning.
        steps: that are looked at. Nothing is said before there are as many.
        counting: see `IterationCallback`.
    """

    def __init__(
        self, rules: Sequence[Rule], say: Callable[[str], object], steps: int = 200, **counting: int
    ) -> None:
        super().__init__(**counting)
        self.rules = rules
        self.say = say
        self.steps = steps
        self._seen: dict[str, deque[float]] = {}
        self._told: set[Rule] = set()

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Remember the scalars; look at them when the window is full."""
        for name in {rule.scalar for rule in self.rules} & logs.keys():
            seen = self._seen.setdefault(name, deque(maxlen=self.steps))
            seen.append(float(np.asarray(logs[name]).item()))
        for rule in self.rules:
            values = np.array(self._seen.get(rule.scalar, ()))
            if rule in self._told or len(values) < self.steps:
                continue
            if rule.is_ill(values):
                self._told.add(rule)
                advice = rule.advice.format(value=values.mean())
                self.say(f"Warning: iteration {iteration}, {rule.scalar}: {advice}")


def above(limit: float) -> Callable[[Values], bool]:
    """Return whether the median is above a limit; single peaks are not a sign."""
    return lambda values: bool(np.median(values) > limit)


def below(limit: float) -> Callable[[Values], bool]:
    """Return whether the median is below a limit."""
    return lambda values: bool(np.median(values) < limit)


def risen(factor: float) -> Callable[[Values], bool]:
    """Return whether the last third's median is so many times the first third's."""

    def is_ill(values: Values) -> bool:
        third = len(values) // 3
        return bool(np.median(values[-third:]) > factor * np.median(values[:third]))

    return is_ill
