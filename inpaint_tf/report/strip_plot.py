"""Strip plots of scores, as SVG with the colors of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]

_WIDTH, _ROW, _AXIS, _MARGIN = 320, 40, 20, 8
_DOTS = 400
# Multiples of the golden ratio scatter the dots evenly and reproducibly.
_GOLDEN = 0.618034
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
    height = _ROW * len(rows) + _AXIS
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Distribution of scores of {len(rows)} methods">'
    ]
    if axis:
        parts += [
            f'<path class="rule" d="M{axis(tick):.1f} 4V{height - _AXIS}"/>'
            f'<text class="tick" x="{axis(tick):.1f}" y="{height - 6}" '
            f'text-anchor="{axis.anchor(tick)}">{tick:.6g}</text>'
            for tick in axis.ticks
        ]
    for place, (name, scores) in enumerate(finite.items()):
        kind = ' class="subject"' if name == subject else ""
        label = name if len(name) <= 44 else f"{name[:43]}…"
        parts.append(
            f'<g{kind} transform="translate(0 {_ROW * place})"><title>{escape(name)}</title>'
            f'<text x="{_MARGIN}" y="13">{escape(label)}</text>'
        )
        if axis and scores.size:
            parts.append(_strip(scores, axis))
        parts.append("</g>")
    return "".join([*parts, "</svg>"])


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

    def anchor(self, tick: float) -> str:
        """Return the text anchor of a tick label, chosen so that no label is cut off."""
        place = self(tick)
        return "start" if place < 20 else "end" if place > _WIDTH - 20 else "middle"

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


def _strip(scores: Scores, axis: _Axis) -> str:
    shown = scores if scores.size <= _DOTS else np.quantile(scores, np.linspace(0, 1, _DOTS))
    dots = "".join(
        f"M{axis(value):.1f} {27 + 12 * (index * _GOLDEN % 1 - 0.5):.1f}h0"
        for index, value in enumerate(shown)
    )
    low, left, middle, right, high = map(axis, np.quantile(scores, [0.05, 0.25, 0.5, 0.75, 0.95]))
    return (
        f'<path class="dots" d="{dots}"/>'
        f'<path class="box" d="M{low:.1f} 27H{left:.1f}M{right:.1f} 27H{high:.1f}'
        f'M{left:.1f} 21H{right:.1f}V33H{left:.1f}Z"/>'
        f'<path class="median" d="M{middle:.1f} 20V34"/>'
    )
