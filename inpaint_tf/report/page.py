"""An evaluation as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from inpaint_tf.metrics import Metric
from inpaint_tf.report.html import counted, flat, render
from inpaint_tf.report.statistics import RESAMPLES, SEED, Comparison
from inpaint_tf.report.strip_plot import strip_plot

if TYPE_CHECKING:
    from inpaint_tf.report.result import Evaluation


def render_page(evaluation: Evaluation) -> str:
    """Return an evaluation as a page: tables, distributions, comparisons, pictures, settings.

    The page contains everything, pictures too. It loads nothing and runs no script.
    """
    document = evaluation.to_json()
    return render(
        "evaluation.html.j2",
        title=f"Evaluation on {evaluation.dataset}",
        evaluation=evaluation,
        pairs=list(_pairs(evaluation)),
        plots={name: _plot(evaluation, name) for name in evaluation.counted},
        resamples=RESAMPLES,
        seed=SEED,
        settings=dict(
            flat({name: document[name] for name in ("dataset", "masks", "settings", "versions")})
        ),
    )


def _plot(evaluation: Evaluation, metric: str) -> str:
    counted = evaluation.counted[metric]
    rows = {method: scores[metric][counted] for method, scores in evaluation.scores.items()}
    return strip_plot(rows, evaluation.subject)


def _pairs(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Yield each pair of methods: their names, who is clearly better how often, and the rows."""
    for (first, second), found in groupby(evaluation.comparisons, key=lambda each: each[:2]):
        rows = [(each, _verdict(each, evaluation.metrics[each.metric])) for each in found]
        verdicts = [verdict for _, verdict in rows]
        won = [
            f"{counted(verdicts.count(name), 'metric')} for {name}"
            for name in (first, second)
            if name in verdicts
        ]
        result = ", ".join(won) or "no clear difference"
        yield {"first": first, "second": second, "rows": rows, "result": result}


def _verdict(comparison: Comparison, metric: Metric) -> str:
    """Return the method that is better with an interval that excludes 0, or an empty string."""
    low, high = comparison.low, comparison.high
    if metric.best == "none" or low is None or high is None or low <= 0 <= high:
        return ""
    return comparison.first if (low > 0) == (metric.best == "high") else comparison.second
