"""Training curves of runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def draw_curves(paths: Sequence[Path], scalars: Sequence[str], smoothing: int = 50) -> Figure:
    """Plot logged scalars of runs over the iterations, one panel for each scalar.

    Args:
        paths: run folders; each has its own color and is named after its folder.
        scalars: names in `scalars.jsonl` or `validation.jsonl`. Names joined by commas share a
            panel. A panel with positive values only has a logarithmic axis.
        smoothing: window of the moving average, in logged values. Curves with fewer than twice as
            many values are not smoothed.

    Raises:
        UserError: If a folder is not a run, or no run has a scalar.
    """
    logs = {path.name: _read(RunFolder.open(path)) for path in paths}
    figure = Figure(figsize=(5 * len(scalars), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(scalars), squeeze=False)[0]
    for panel, group in zip(panels, scalars, strict=True):
        names = group.split(",")
        curves = {}
        for scalar in names:
            found = {run: _curve(lines, scalar) for run, lines in logs.items()}
            if not any(y.size for _, y in found.values()):
                known = sorted({key for lines in logs.values() for line in lines for key in line})
                raise UserError(f"No run has the scalar '{scalar}'. They have: {', '.join(known)}.")
            for run, curve in found.items():
                curves[run if len(names) == 1 else f"{run} {scalar}"] = curve
        for label, curve in curves.items():
            panel.plot(*_smooth(curve, smoothing), label=label)
        positive = min(y.min() for _, y in curves.values() if y.size) > 0
        panel.set(title=group, xlabel="iteration", yscale="log" if positive else "linear")
        panel.grid(alpha=0.3, which="both")
        panel.legend()
    return figure


def logged(path: Path) -> set[str]:
    """Return the names of the scalars that a run has logged."""
    return {name for line in _read(RunFolder.open(path)) for name in line}


def _read(run: RunFolder) -> list[dict[str, Any]]:
    lines = []
    for path in (run.scalars, run.validation):
        if path.is_file():
            lines += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return lines


def _curve(lines: Sequence[dict[str, Any]], scalar: str) -> Curve:
    points = [(line["iteration"], line[scalar]) for line in lines if line.get(scalar) is not None]
    array = np.array(sorted(points), "float64").reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _smooth(curve: Curve, count: int) -> Curve:
    x, y = curve
    if len(y) < 2 * count:
        return curve
    window = np.ones(count) / count
    return np.convolve(x, window, "valid"), np.convolve(y, window, "valid")
