"""Strip plots of scores, as SVG with the colors of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.report.html import render

Scores = npt.NDArray[np.float64]

_WIDTH, _MARGIN = 320, 8
_DOTS = 400
# Multiples of the golden ratio scatter the dots evenly and reproducibly.
_GOLDEN = 0.618034
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LOG_FROM = 30.0


def strip_plot(rows: Mapping[str, Scores], subject: str) -> str:
    """Draw scores as dots, with a box of the quartiles and whiskers of the middle 90 %.

    Args:
        rows: method -> scores. Infinite scores and NaN are left out. More than 400 scores are
            reduced to 400 quantiles.
        subject: name of the method to highlight.

    Returns:
        An `<svg>` element.
    """
    finite = {name: np.sort(scores[np.isfinite(scores)]) for name, scores in rows.items()}
    values = np.concatenate([*finite.values(), []])
    axis = _Axis(values) if values.size else None
    return render(
        "strip_plot.svg.j2",
        width=_WIDTH,
        margin=_MARGIN,
        subject=subject,
        ticks=[(tick, axis(tick)) for tick in axis.ticks] if axis else [],
        strips={
            name: _strip(scores, axis) if axis and scores.size else None
            for name, scores in finite.items()
        },
    )


class _Axis:
    """Maps scores to x coordinates, on a logarithmic scale if they span decades."""

    def __init__(self, values: Scores) -> None:
        low, high = float(values.min()), float(values.max())
        self._log = low > 0 and high > _LOG_FROM * low
        if low == high:
            low, high = low - 0.5, high + 0.5
        self._low, self._high = self._scaled(low), self._scaled(high)
        self.ticks = [tick for tick in self._candidates(low, high) if low <= tick <= high]

    def __call__(self, value: float) -> float:
        share = (self._scaled(value) - self._low) / (self._high - self._low)
        return _MARGIN + share * (_WIDTH - 2 * _MARGIN)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self._log else value

    def _candidates(self, low: float, high: float) -> list[float]:
        if self._log:
            decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            steps = (1, 3) if len(decades) < 5 else (1,)
            return [step * 10.0**decade for decade in decades for step in steps]
        rough = (high - low) / 4
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
        first = math.ceil(low / step)
        return [step * number for number in range(first, math.floor(high / step) + 1)]


def _strip(scores: Scores, axis: _Axis) -> dict[str, Any]:
    """Return the places of the dots, and the x coordinates of the quantiles."""
    shown = scores if scores.size <= _DOTS else np.quantile(scores, np.linspace(0, 1, _DOTS))
    dots = [(axis(x), 12 * (i * _GOLDEN % 1 - 0.5)) for i, x in enumerate(shown)]
    return {"dots": dots, "quantiles": [axis(x) for x in np.quantile(scores, _QUANTILES)]}
