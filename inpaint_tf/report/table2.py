"""Table II of the paper beside the same rows measured here, by either definition of the scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics import METRICS, Metric, l1, mse, psnr
from inpaint_tf.report.html import render
from inpaint_tf.report.result import Evaluation
from inpaint_tf.report.table import mean_text, render_cells
from neuralgym_lite.errors import UserError, did_you_mean

Images = npt.NDArray[Any]
Scores = npt.NDArray[np.float64]

RAW = "Autoencoder, raw"


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    iterations: str  # of the paper's training; empty for a classical method
    paper: tuple[str, ...]  # MSE, L1, PSNR, LPIPS and TV as printed; empty if it has no such row
    source: str  # name of a classical method, or of the run folder
    notes: str  # letters of the remarks below the table

    @property
    def is_trained(self) -> bool:
        """Whether the row is a model that has to be trained."""
        return bool(self.iterations)


# Name, iterations, the paper's scores, source, notes.
_TABLE = """
TELEA                  |      | 821.73 9.66 19.61 0.17 7.97 | telea                     | ch
NS                     |      | 810.47 9.68 19.63 0.16 8.15 | ns                        | ch
Autoencoder            | 100K | 1472 9.34 26.25 0.18 2.18   | autoencoder-animals-hole  | a
Autoencoder, raw       | 100K |                             | autoencoder-animals-hole  | a
GLCIC                  | 50K  | 720.49 9.25 20.16 0.13 1.70 | stable-glcic-animals-hole |
CA-Animals-Hole        | 150K | 631.22 8.09 20.99 0.11 1.75 | ca-animals-hole           |
CA-ImageNet-Hole       | 300K | 565.84 8.00 21.40 0.10 1.43 | ca-imagenet-hole          |
CA-ImageNet-FT-Animals | 70K  | 540.59 7.65 21.61 0.09 2.38 | ca-animals-hole-finetuned |
CA-Animals-Mosaic      | 50K  | 270.44 5.31 24.68 0.06 1.25 | ca-animals-mosaic         | m
CA-Animals-hole_ns     | 20K  |                             | ca-animals-hole_ns        | n
"""


def _parse(line: str) -> Row:
    name, iterations, paper, source, notes = (cell.strip() for cell in line.split("|"))
    return Row(name, iterations, tuple(paper.split()), source, notes)


ROWS = tuple(map(_parse, _TABLE.strip().splitlines()))

_OURS = {
    "MSE": "mse_whole_255",
    "L1": "l1_whole_255",
    "PSNR": "psnr_whole_db",
    "LPIPS": "lpips_alex_whole",
    "TV": "tv_whole_255",
}
_PAPER = {"MSE": "paper_mse", "L1": "paper_l1", "PSNR": "paper_psnr", "TV": "paper_tv"}


@dataclass(frozen=True)
class RowFiller:
    """An inpainter with the name of a row. In the row `RAW`, known pixels are predicted too."""

    name: str
    inpainter: Any

    @property
    def mask_mode(self) -> Any:
        """Return the mask mode of the network; None for a classical method."""
        return getattr(self.inpainter, "mask_mode", None)

    @property
    def has_attention(self) -> bool:
        """Return whether `fill` can return attention offsets."""
        return bool(self.inpainter.has_attention) and self.name != RAW

    def fill(self, image: Images, mask: Images, **options: bool) -> Any:
        """Fill as the inpainter does, or predict."""
        if self.name == RAW:
            return self.inpainter.predict(image, mask)
        return self.inpainter.fill(image, mask, **options)


def row(name: str) -> Row:
    """Return a row by its name; a UserError if there is none."""
    found = {each.name: each for each in ROWS}
    if name not in found:
        raise UserError(f"Table II has no row '{name}'. {did_you_mean(name, found)}")
    return found[name]


def parse_row(text: str) -> tuple[str, str]:
    """Return the row and the model of "NAME=MODEL"; a UserError if there is no such row."""
    name, equals, source = text.partition("=")
    if not equals:
        raise UserError(f"A row is NAME=RUN. Received: '{text}'")
    return row(name).name, source


def find_sources(runs: Path) -> dict[str, str]:
    """Return what `inpaint_tf.load` takes for each classical row, and each row with a run.

    Run folders are named like the settings in `inpaint_tf/configs`.
    """
    return {
        each.name: str(runs / each.source) if each.is_trained else each.source
        for each in ROWS
        if not each.is_trained or (runs / each.source / "manifest.json").is_file()
    }


# ------------------------------------------------------------------------- the paper's definitions


def stretch(images: Images) -> npt.NDArray[np.uint8]:
    """Return uint8 (..., H, W, C); each picture is stretched to 0..255, all channels together."""
    axes = (-3, -2, -1)
    low = images.min(axes, keepdims=True).astype(np.float64)
    high = images.max(axes, keepdims=True)
    share = (images - low) / np.maximum(high - low, 1e-5 * 255)
    return np.floor(share * 255 + 0.5).astype(np.uint8)


def _of_stretched(metric: Callable[..., Scores]) -> Callable[..., Scores]:
    """Return a metric of stretched whole pictures."""

    def score(truth: Images, result: Images, mask: Images | None = None) -> Scores:
        return metric(stretch(truth), stretch(result))

    return score


# The maximum of a stretched picture, which is the paper's peak, is 255.
paper_mse, paper_l1, paper_psnr = map(_of_stretched, (mse, l1, psnr))


def paper_tv(truth: Images, result: Images, mask: Images | None = None) -> Scores:
    """Return the total variation of the truth minus that of the result, per pixel; (B,).

    Images are stretched. Differences are along rows and, as the axes are mixed up, between colors.
    """
    pixels = truth.shape[-3] * truth.shape[-2]
    return (_mixed_variation(stretch(truth)) - _mixed_variation(stretch(result))) / pixels


def _mixed_variation(images: npt.NDArray[np.uint8]) -> Scores:
    values = images.astype(np.float64)
    steps = (np.abs(np.diff(values, axis=axis)).sum(axis=(-3, -2, -1)) for axis in (-2, -1))
    return np.asarray(sum(steps))


_AS_IN_PAPER = "each picture stretched to 0..255 by itself, whole picture"
_PSNR = f"PSNR, peak is the truth's maximum, {_AS_IN_PAPER}, decibels"
_TV = f"sum |dx| + |d color| of the truth minus that of the result, per pixel, {_AS_IN_PAPER}"
TABLE2_METRICS: dict[str, Metric] = {
    **METRICS,
    "paper_mse": Metric(paper_mse, f"mean squared error, {_AS_IN_PAPER}", "paper MSE", digits=1),
    "paper_l1": Metric(paper_l1, f"mean absolute error, {_AS_IN_PAPER}", "paper L1", digits=2),
    "paper_psnr": Metric(paper_psnr, _PSNR, "paper PSNR", digits=2, best="high"),
    "paper_tv": Metric(paper_tv, _TV, "paper TV", digits=2, best="zero"),
}


# ---------------------------------------------------------------------------------------- rendering


def render_table2(
    evaluation: Evaluation, trained: Mapping[str, str], paper_definitions: bool = False
) -> str:
    """Return Table II as Markdown: the paper's scores, ours, and an explanation.

    Args:
        evaluation: evaluation in `TABLE2_METRICS`, of methods with the names of the rows.
        trained: name of the row -> iterations of our training.
        paper_definitions: whether to show our scores by the paper's definitions.
    """
    columns = _PAPER if paper_definitions else _OURS
    heads = ["row", "iterations", "ours"]
    for title in _OURS:
        heads += [f"{title} paper", "ours"]
    cells = [heads]
    for each in ROWS:
        marks = f" ({','.join(each.notes)})" if each.notes else ""
        line = [f"{each.name}{marks}", each.iterations, trained.get(each.name, "")]
        if each.is_trained and each.name not in evaluation.scores:
            line[2] = "not trained"
        for title, printed in zip_longest(_OURS, each.paper, fillvalue=""):
            line += [printed, _ours(evaluation, each.name, columns.get(title))]
        cells.append(line)
    for method in evaluation.scores:
        if method.startswith("input ("):
            line = [method, "", ""]
            for title in _OURS:
                line += ["", _ours(evaluation, method, columns.get(title))]
            cells.append(line)
    legend = render("table2.md.j2", evaluation=evaluation, paper_definitions=paper_definitions)
    return f"{render_cells(cells)}\n\n{legend}"


def _ours(evaluation: Evaluation, method: str, metric: str | None) -> str:
    if method not in evaluation.scores:
        return ""
    if metric is None:
        return "none"
    return mean_text(evaluation, method, metric, digits=2)
