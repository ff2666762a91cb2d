"""An evaluation as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from inpaint_tf.report.result import Evaluation
from neuralgym_lite.errors import printable

_COLUMNS = (
    "mse_whole_255",
    "l1_whole_255",
    "psnr_whole_db",
    "ssim_whole",
    "lpips_alex_whole",
    "tv_whole_255",
    "mse_hole_255",
    "l1_hole_255",
    "psnr_hole_db",
)


def render_table(evaluation: Evaluation) -> str:
    """Return the means of all methods as a Markdown table with aligned columns.

    Args:
        evaluation: from `evaluate`.

    Returns:
        The table, an empty line and an explanation; no newline at the end.
    """
    cells = [["method", *(evaluation.metrics[metric].title for metric in _COLUMNS)]]
    for method in evaluation.scores:
        numbers = (
            mean_text(evaluation, method, metric, evaluation.metrics[metric].digits)
            for metric in _COLUMNS
        )
        cells.append([method, *numbers])
    return "\n".join([render_cells(cells), "", _legend(evaluation)])


def render_cells(cells: Sequence[Sequence[str]]) -> str:
    """Return rows of cells, headings first, as a Markdown table with aligned columns."""
    cells = [[printable(cell) for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    head, *body = (_line(row, widths) for row in cells)
    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:]), ""])
    return "\n".join([head, rule, *body])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return f"| {' | '.join([row[0].ljust(widths[0]), *numbers])} |"


def mean_text(evaluation: Evaluation, method: str, metric: str, digits: int) -> str:
    """Return a mean as text, or the reason why there is none."""
    summary = evaluation.summaries[method].get(metric)
    if summary is None:
        return "not measured"
    if summary.failed:
        return f"failed on {summary.failed}"
    mean = evaluation.mean(method, metric)
    return "none left" if mean is None else f"{mean:.{digits}f}"


def _legend(evaluation: Evaluation) -> str:
    count, size = len(evaluation.photographs), evaluation.image_size
    variation = evaluation.truth_variation("whole")
    text = (
        f"Means over {count} photograph{'s' * (count != 1)} of '{evaluation.dataset}', "
        f"{size}x{size}, gray levels 0..255, whole image\n(hole: missing pixels only)."
    )
    if variation is not None:
        text += f" TV of the truth is {variation:.2f}: the nearest value is best, not the lowest."
    return "\n".join([text, *evaluation.notes])
