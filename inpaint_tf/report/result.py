"""The result of an evaluation, and its files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics import Metric
from inpaint_tf.report.grid import named_grid
from inpaint_tf.report.page import render_page
from inpaint_tf.report.per_image import write_rows
from inpaint_tf.report.statistics import (
    RESAMPLES,
    SEED,
    Comparison,
    Counted,
    Scores,
    Summary,
    compare,
    left_out_lines,
    shared,
    summarize,
)
from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import atomic_write, make_folder
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import Picture

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Example:
    """Images of one photograph.

    Attributes:
        key: key of the photograph.
        rank: `"best"`, `"median"`, `"worst"`, or `"drawn"` at random.
        error: MSE in the hole of the method that examples are sorted by; NaN if drawn at random.
        pictures: column -> uint8 (H, W, 3): the inputs of the networks, the results, the truth, and
            attention maps. A result is missing if the method failed.
    """

    key: str
    rank: str
    error: float
    pictures: dict[str, Images]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The result of `evaluate`.

    Attributes:
        scores: method -> metric -> float64 (n,), one score for each of `photographs`; NaN where
            the method failed.
        metrics: name -> metric, including those that could not be computed.
        photographs: keys of the photographs that were scored.
        failed: key -> why the photograph could not be read.
        broken: method -> key -> why the method failed on the photograph.
        unmeasured: metric -> why it could not be computed.
        examples: photographs drawn at random.
        ranked: the best, median and worst photographs of the method `subject`.
        subject: name of a method.
        dataset: name of the data set.
        fingerprint: SHA-256 of the data set.
        masks_sha256: SHA-256 of the masks.
        image_size: side of the scored images in pixels.
        versions: library -> version.
        settings: the caller's settings, of JSON types.
    """

    scores: dict[str, dict[str, Scores]]
    metrics: Mapping[str, Metric]
    photographs: tuple[str, ...]
    failed: dict[str, str]
    broken: dict[str, dict[str, str]]
    unmeasured: dict[str, str]
    examples: tuple[Example, ...]
    ranked: tuple[Example, ...]
    subject: str
    dataset: str
    fingerprint: str
    masks_sha256: str
    image_size: int
    versions: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        size = f"{self.image_size}x{self.image_size} pixels"
        return (
            f"Evaluation({', '.join(self.scores)}: {len(self.photographs)} photographs of "
            f"'{self.dataset}', {size})"
        )

    @cached_property
    def summaries(self) -> dict[str, dict[str, Summary]]:
        """Method -> metric -> summary over the photographs."""
        return summarize(self.scores)

    @cached_property
    def counted(self) -> dict[str, Counted]:
        """Metric -> which photographs its means are computed over, bool (n,)."""
        return shared(self.scores)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Comparisons of every pair of methods in every metric; the last method comes first."""
        return compare(self.scores, list(combinations(reversed(self.scores), 2)), self.metrics)

    @property
    def unmeasured_titles(self) -> dict[str, str]:
        """Reason -> titles of the metrics that could not be computed for this reason."""
        titles: dict[str, list[str]] = {}
        for metric, reason in self.unmeasured.items():
            titles.setdefault(reason, []).append(self.metrics[metric].title)
        return {reason: ", ".join(names) for reason, names in titles.items()}

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Metric -> keys of the photographs left out of its means, if there are any."""
        return {
            metric: [key for key, kept in zip(self.photographs, counted, strict=True) if not kept]
            for metric, counted in self.counted.items()
            if not counted.all()
        }

    @property
    def left_out_lines(self) -> list[str]:
        """Lines that tell which photographs are left out of which means, and why."""
        titles = {name: metric.title for name, metric in self.metrics.items()}
        return left_out_lines(self.left_out, titles, len(self.photographs))

    @property
    def exported_lines(self) -> list[str]:
        """Lines that tell format, precision and size of the exported files among the methods."""
        return [
            f"{each['source']}: {each['format']}, {each.get('precision', 'unknown precision')}, "
            f"{each['bytes'] / 1e6:.2f} MB."
            for each in self.settings.get("models", [])
            if "bytes" in each
        ]

    @property
    def notes(self) -> list[str]:
        """Lines on exported files, on what is left out, and on what could not be computed."""
        unmeasured = [
            f"{each}: not measured. {why}" for why, each in self.unmeasured_titles.items()
        ]
        return [*self.exported_lines, *self.left_out_lines, *unmeasured]

    def mean(self, method: str, metric: str) -> float | None:
        """Return the mean of a metric: infinite if all scores are, None if a score is missing."""
        summary = self.summaries[method].get(metric)
        if summary is None:
            return None
        return math.inf if summary.infinite == summary.n else summary.mean

    def best(self, metric: str) -> tuple[str, ...]:
        """Return the methods with the best mean of a metric; empty if no value is best."""
        goal = self.metrics[metric].best
        found = {method: self.mean(method, metric) for method in self.scores}
        means = {
            method: abs(mean) if goal == "zero" else mean
            for method, mean in found.items()
            if mean is not None
        }
        if not means or goal == "none":
            return ()
        wanted = (max if goal == "high" else min)(means.values())
        return tuple(method for method, mean in means.items() if mean == wanted)

    def truth_variation(self, region: str) -> float | None:
        """Return the mean total variation of the true photographs; None if it was not computed."""
        for method in self.scores:
            mean, gap = (self.mean(method, f"{name}_{region}_255") for name in ("tv", "tv_gap"))
            if mean is not None and gap is not None:
                return mean + gap
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the content of `metrics.json`: everything but single scores and images."""
        return {
            "dataset": {
                "name": self.dataset,
                "fingerprint": self.fingerprint,
                "photographs": len(self.photographs),
                "image_size": self.image_size,
            },
            "masks": {"sha256": self.masks_sha256},
            "settings": self.settings,
            "versions": self.versions,
            "definitions": {name: metric.definition for name, metric in self.metrics.items()},
            "interval": {
                "kind": "percentile bootstrap of the mean over photographs, 95 %",
                "resamples": RESAMPLES,
                "seed": SEED,
            },
            "methods": {
                method: {metric: summary._asdict() for metric, summary in summaries.items()}
                for method, summaries in self.summaries.items()
            },
            "left_out": self.left_out,
            "comparisons": [comparison._asdict() for comparison in self.comparisons],
            "unmeasured": self.unmeasured,
            "failed": self.failed,
            "broken": self.broken,
        }

    def write(self, folder: Path) -> None:
        """Write `report.html`, `metrics.json`, `per_image.csv` and `grid.png`.

        Args:
            folder: created if it does not exist.

        Raises:
            UserError: If the folder or a file cannot be written.
        """
        make_folder(folder)
        if self.examples:
            rows = [each.pictures for each in self.examples]
            write_picture(folder / "grid.png", Picture(named_grid(rows, [*self.scores, "truth"])))
        _write(folder / "per_image.csv", self._csv())
        text = json.dumps(self.to_json(), indent=2, allow_nan=False)
        _write(folder / "metrics.json", f"{text}\n".encode())
        _write(folder / "report.html", render_page(self).encode("utf-8", "backslashreplace"))

    def _csv(self) -> bytes:
        # The column of a metric that could not be computed is empty.
        rows = (
            (key, method, [repr(float(found[x][i])) if x in found else "" for x in self.metrics])
            for i, key in enumerate(self.photographs)
            for method, found in self.scores.items()
        )
        return write_rows(tuple(self.metrics), rows)


def _write(path: Path, data: bytes) -> None:
    try:
        atomic_write(path, data)
    except OSError as error:
        raise UserError(
            f"'{path}' cannot be written: {reason_of(error)}; choose another folder"
        ) from error
