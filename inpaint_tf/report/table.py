"""An evaluation as a table for the terminal."""

from __future__ import annotations

from typing import NamedTuple

from inpaint_tf.report.evaluation import Evaluation, Summary


class _Column(NamedTuple):
    title: str
    metric: str
    digits: int


_COLUMNS = (
    _Column("MSE", "mse_whole_255", 1),
    _Column("L1", "l1_whole_255", 2),
    _Column("PSNR", "psnr_whole_db", 2),
    _Column("SSIM", "ssim_whole", 4),
    _Column("TV", "tv_whole_255", 2),
    _Column("hole MSE", "mse_hole_255", 1),
    _Column("hole L1", "l1_hole_255", 2),
    _Column("hole PSNR", "psnr_hole_db", 2),
)


def render_table(evaluation: Evaluation) -> str:
    """Return the means of all methods as a Markdown table that is aligned as plain text too.

    Args:
        evaluation: what `evaluate` returned.

    Returns:
        The table, an empty line and what its numbers mean; no newline at the end.
    """
    cells = [["method", *(column.title for column in _COLUMNS)]]
    for method in evaluation.scores:
        summaries = (evaluation.summary(method, column.metric) for column in _COLUMNS)
        cells.append([method, *map(_number, summaries, (c.digits for c in _COLUMNS))])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    head, *body = (_line(row, widths) for row in cells)
    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:]), ""])
    return "\n".join([head, rule, *body, "", _legend(evaluation)])


def _line(row: list[str], widths: list[int]) -> str:
    numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return f"| {' | '.join([row[0].ljust(widths[0]), *numbers])} |"


def _number(summary: Summary, digits: int) -> str:
    return "inf" if summary.mean is None else f"{summary.mean:.{digits}f}"


def _legend(evaluation: Evaluation) -> str:
    method = next(iter(evaluation.scores))
    truth = sum(
        evaluation.summary(method, f"tv{part}_whole_255").mean or 0 for part in ("", "_gap")
    )
    count, size = len(evaluation.photographs), evaluation.image_size
    return (
        f"Means over {count} photographs of '{evaluation.dataset}', {size}x{size}, grey levels "
        f"0..255, whole picture\n(hole: missing pixels only). TV of the truth is {truth:.2f}: "
        "nearest is best, not lowest."
    )
