"""An evaluation as one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from inpaint_tf.metrics import Metric
from inpaint_tf.report.html import LARGEST_PNG, data_uri, definition_list, flat, html_page
from inpaint_tf.report.statistics import RESAMPLES, SEED, Comparison, Summary
from inpaint_tf.report.strip_plot import strip_plot

if TYPE_CHECKING:
    from inpaint_tf.report.result import Evaluation, Example

_REGIONS = {"whole": "Whole picture", "hole": "Missing pixels only"}
_LONGEST_ROW = 10
_SECTIONS = {
    "scores": "Scores",
    "distributions": "Each photograph",
    "comparisons": "Method against method",
    "sorted": "Best, median and worst",
    "drawn": "Drawn at random",
    "definitions": "What the numbers mean",
    "settings": "Settings",
}


def render_page(evaluation: Evaluation) -> str:
    """Return an evaluation as a page: tables, distributions, comparisons, pictures, settings.

    Everything is in it, pictures too; it loads nothing and runs no script.

    Args:
        evaluation: what `evaluate` returned.
    """
    bodies = {
        "scores": _scores(evaluation),
        "distributions": _distributions(evaluation),
        "comparisons": _comparisons(evaluation),
        "sorted": _sorted(evaluation),
        "drawn": "".join(_pictures(each, evaluation) for each in evaluation.examples),
        "definitions": _definitions(evaluation),
        "settings": _settings(evaluation),
    }
    links = "".join(f'<a href="#{name}">{_SECTIONS[name]}</a>' for name in bodies if bodies[name])
    sections = "".join(
        f'<section id="{name}"><h2>{_SECTIONS[name]}</h2>{body}</section>'
        for name, body in bodies.items()
        if body
    )
    title = f"Evaluation on {evaluation.dataset}"
    size, count = evaluation.image_size, len(evaluation.photographs)
    lead = (
        f"{_counted(len(evaluation.scores), 'method')}, the same holes in the same "
        f"{_counted(count, 'photograph')} of {size}&times;{size} pixels."
    )
    return html_page(title, lead, _alarms(evaluation) + sections, f"<nav>{links}</nav>")


def _alarms(evaluation: Evaluation) -> str:
    """Return what went wrong, before any number."""
    alarms = ""
    if evaluation.failed:
        count = _counted(len(evaluation.failed), "photograph")
        alarms += _alarm(f"{count} could not be read and are left out", evaluation.failed.values())
    for method, reasons in evaluation.broken.items():
        count = _counted(len(reasons), "photograph")
        lines = (f"{key}: {reason}" for key, reason in reasons.items())
        alarms += _alarm(f"{method} failed on {count}; it has no means", lines)
    return alarms


def _alarm(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<div class="alarm"><strong>{escape(title)}.</strong><ul>{items}</ul></div>'


# ------------------------------------------------------------------------------------------ tables


def _scores(evaluation: Evaluation) -> str:
    tables = "".join(_score_table(evaluation, region) for region in _REGIONS)
    left_out = "".join(f'<p class="note">{escape(x)}</p>' for x in evaluation.left_out_lines)
    reasons = "".join(
        f'<p class="note"><strong>{escape(titles)}: not measured.</strong> {escape(reason)}</p>'
        for reason, titles in evaluation.unmeasured_titles.items()
    )
    return (
        '<p class="note">Mean over the photographs; in brackets the 95 % bootstrap interval of the '
        "mean; sd: standard deviation between photographs. A star marks the best mean.</p>"
        f"{tables}{left_out}{reasons}"
    )


def _score_table(evaluation: Evaluation, region: str) -> str:
    columns = {
        name: metric for name, metric in evaluation.metrics.items() if metric.region == region
    }
    heads = "".join(
        f"<th scope='col'>{escape(metric.title.removeprefix('hole '))}</th>"
        for metric in columns.values()
    )
    rows = "".join(
        f"<tr><th scope='row'>{escape(method)}</th>"
        + "".join(_score_cell(evaluation, method, name) for name in columns)
        + "</tr>"
        for method in evaluation.scores
    )
    return (
        f'<div class="wide"><table class="numbers"><caption>{_REGIONS[region]}'
        f"{_truth_variation(evaluation, region)}</caption>"
        f"<thead><tr><th scope='col'>method</th>{heads}</tr></thead><tbody>{rows}</tbody>"
        "</table></div>"
    )


def _truth_variation(evaluation: Evaluation, region: str) -> str:
    mean = evaluation.truth_variation(region)
    return "" if mean is None else f' <small class="note">TV of the truth: {mean:.2f}</small>'


def _score_cell(evaluation: Evaluation, method: str, name: str) -> str:
    summary = evaluation.summaries[method].get(name)
    if summary is None:
        return '<td class="none">not measured</td>'
    if summary.failed:
        return f'<td class="none">failed on {summary.failed} of {summary.n}</td>'
    best = ' class="best"' if method in evaluation.best(name) else ""
    if summary.infinite == summary.n:
        return f"<td{best}>infinite on all {summary.n}</td>"
    if summary.mean is None:
        return '<td class="none">no photograph is left</td>'
    digits = evaluation.metrics[name].digits
    return f"<td{best}><b>{summary.mean:.{digits}f}</b>{_spread(summary, digits)}</td>"


def _spread(summary: Summary, digits: int) -> str:
    lines = [_interval(summary.low, summary.high, digits)]
    if summary.std is not None:
        lines.append(f"sd {summary.std:.{digits}f}")
    if summary.infinite:
        lines.append(f"infinite on {summary.infinite}, left out")
    return "".join(f"<small>{line}</small>" for line in lines)


def _interval(low: float | None, high: float | None, digits: int) -> str:
    if low is None or high is None:
        return "no interval: fewer than 2"
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def _comparisons(evaluation: Evaluation) -> str:
    pairs = [
        (pair, list(found))
        for pair, found in groupby(evaluation.comparisons, key=lambda each: (each[0], each[1]))
    ]
    if not pairs:
        return ""
    return (
        '<p class="note">Differences on the same photographs, first less second, with the 95 % '
        "bootstrap interval of their mean. Of TV gaps the sizes are compared.</p>"
        + "".join(
            _pair(*pair, found, evaluation.metrics, is_open=place == 0)
            for place, (pair, found) in enumerate(pairs)
        )
    )


def _pair(
    first: str,
    second: str,
    comparisons: list[Comparison],
    metrics: Mapping[str, Metric],
    is_open: bool,
) -> str:
    verdicts = [_verdict(each, metrics[each.metric]) for each in comparisons]
    won = ", ".join(
        f"{_counted(verdicts.count(name), 'metric')} for {escape(name)}"
        for name in (first, second)
        if name in verdicts
    )
    rows = "".join(
        f"<tr><th scope='row'>{escape(metrics[each.metric].title)}</th>"
        f"{_comparison_cells(each, metrics[each.metric].digits, verdict)}</tr>"
        for each, verdict in zip(comparisons, verdicts, strict=True)
    )
    return (
        f"<details{' open' if is_open else ''}>"
        f"<summary><b>{escape(first)}</b> against <b>{escape(second)}</b> "
        f"<small>{won or 'no clear difference'}</small></summary>"
        '<div class="wide"><table class="numbers"><thead><tr><th scope="col">metric</th>'
        '<th scope="col">mean difference</th><th scope="col">95 % interval</th>'
        '<th scope="col">first is better on</th><th scope="col">equal on</th>'
        f'<th scope="col">clearly better</th></tr></thead><tbody>{rows}</tbody></table></div>'
        "</details>"
    )


def _comparison_cells(comparison: Comparison, digits: int, verdict: str) -> str:
    if comparison.mean is None:
        reason = "no finite difference" if comparison.infinite else "a method failed"
        return f'<td class="none" colspan="5">{reason}</td>'
    cells = [
        f"{comparison.mean:+.{digits}f}",
        _interval(comparison.low, comparison.high, digits),
        "" if comparison.better is None else f"{comparison.better:.1%}",
        "" if comparison.equal is None else f"{comparison.equal:.1%}",
        escape(verdict) or "neither",
    ]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _verdict(comparison: Comparison, metric: Metric) -> str:
    """Return which method is better beyond doubt of the photographs, or nothing."""
    low, high = comparison.low, comparison.high
    if metric.best == "none" or low is None or high is None or low <= 0 <= high:
        return ""
    return comparison.first if (low > 0) == (metric.best == "high") else comparison.second


# ----------------------------------------------------------------------------- plots and pictures


def _distributions(evaluation: Evaluation) -> str:
    figures = "".join(
        f"<figure><figcaption>{escape(metric.title)} <small>{_direction(metric)}</small>"
        f"</figcaption>{_plot(evaluation, name)}</figure>"
        for name, metric in evaluation.metrics.items()
        if name not in evaluation.unmeasured
    )
    return (
        '<p class="note">A dot is a photograph; the box holds the middle half, its line is the '
        "median, the whiskers span the middle 90 %. Scores over decades have a logarithmic axis."
        f'</p><div class="plots">{figures}</div>'
    )


def _plot(evaluation: Evaluation, name: str) -> str:
    counted = evaluation.counted[name]
    rows = {method: metrics[name][counted] for method, metrics in evaluation.scores.items()}
    return strip_plot(rows, evaluation.subject)


def _direction(metric: Metric) -> str:
    return {
        "low": "lower is better",
        "high": "higher is better",
        "zero": "nearer to 0 is better",
        "none": "nearer to the truth&#39;s is better",
    }[metric.best]


def _sorted(evaluation: Evaluation) -> str:
    if not evaluation.ranked:
        return ""
    attention = any(name.startswith("attention of") for name in evaluation.ranked[0].pictures)
    legend = (
        " An attention map is coloured by where each place looks: hue is the direction, "
        "saturation the distance, white is no distance."
    )
    return (
        f'<p class="note">By the mean squared error of <b>{escape(evaluation.subject)}</b> in the '
        f"hole.{legend if attention else ''}</p>"
        + "".join(_pictures(each, evaluation) for each in evaluation.ranked)
    )


def _pictures(example: Example, evaluation: Evaluation) -> str:
    heading = escape(example.key)
    if example.rank != "drawn":
        heading = f'<span class="rank">{example.rank}</span> {heading} '
        heading += f'<span class="small">MSE {example.error:.1f}</span>'
    wanted = [
        *evaluation.scores,
        *(key for key in example.pictures if key not in evaluation.scores),
    ]
    figures = "".join(
        f"<figure>{_picture(example, name)}<figcaption>{escape(name)}</figcaption></figure>"
        for name in wanted
    )
    count = min(len(wanted), _LONGEST_ROW)
    return f'<h3>{heading}</h3><div class="pictures" style="--count:{count}">{figures}</div>'


def _picture(example: Example, name: str) -> str:
    if name not in example.pictures:
        return '<div class="missing">failed</div>'
    picture = example.pictures[name]
    kind = ' class="small-picture"' if max(picture.shape) <= LARGEST_PNG else ""
    text = escape(f"{name}: {example.key}")
    return f'<img{kind} loading="lazy" alt="{text}" src="{data_uri(picture)}">'


# ---------------------------------------------------------------------------------------- the rest


def _definitions(evaluation: Evaluation) -> str:
    terms = {
        f"{metric.title} ({name})": metric.definition for name, metric in evaluation.metrics.items()
    }
    terms["Pictures"] = (
        "All scores are of rounded 8-bit pictures in which every known pixel is that of the "
        "photograph, computed in float64 for each photograph by itself."
    )
    terms["Interval"] = (
        f"95 % percentile bootstrap of the mean over photographs: {RESAMPLES} resamples, seed "
        f"{SEED}. It says how much the mean depends on which photographs were drawn, not how "
        "much it would change if the network were trained again."
    )
    terms["Infinite scores"] = (
        "PSNR where nothing differs. A photograph on which a method has such a score is left out "
        "of the means, differences and plots of all methods, so that all are over the same ones."
    )
    return definition_list(terms)


def _settings(evaluation: Evaluation) -> str:
    document = evaluation.to_json()
    kept = {name: document[name] for name in ("dataset", "masks", "settings", "versions")}
    return definition_list(dict(flat(kept)))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
