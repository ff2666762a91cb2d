"""What many scores say together: mean, spread, and how sure a mean or a difference is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics import Metric
from neuralgym_lite.seeds import generator

Scores = npt.NDArray[np.float64]
Counted = npt.NDArray[np.bool_]

RESAMPLES = 10_000
SEED = 0
PERCENTILES = (2.5, 97.5)
# Numbers in memory at once: resamples are drawn in blocks of about this size.
_BLOCK = 4_000_000


class Summary(NamedTuple):
    """One metric of one method.

    `mean`, `std` and the interval are over the photographs that `shared` says, which are the same
    for all methods. A method that failed on a photograph, or is infinite on all, has none of these.

    Attributes:
        mean: of the scores; None without one.
        std: sample standard deviation; None for fewer than 2.
        low: lower end of the 95 % bootstrap interval of the mean; None for fewer than 2.
        high: its upper end.
        n: photographs.
        infinite: scores among them that are infinite.
        failed: photographs among them without a score.
        counted: photographs among them that the mean is over.
    """

    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    n: int
    infinite: int
    failed: int
    counted: int


class Comparison(NamedTuple):
    """Two methods on the same photographs.

    Attributes:
        first: name of a method.
        second: name of another.
        metric: what is compared: values, or where the best one is zero, their sizes.
        mean: of the first's less the second's; None if a method failed on a photograph.
        low: lower end of the 95 % bootstrap interval of that; None for fewer than 2 photographs.
        high: its upper end.
        better: share of photographs on which the first is better; None where no value is best.
        equal: share on which both are equal.
        n: photographs.
        infinite: photographs that are not in the mean, for a score is infinite there.
    """

    first: str
    second: str
    metric: str
    mean: float | None
    low: float | None
    high: float | None
    better: float | None
    equal: float | None
    n: int
    infinite: int


def bootstrap_intervals(
    samples: Sequence[Scores], resamples: int = RESAMPLES, seed: int = SEED
) -> list[tuple[float, float] | None]:
    """Return the 95 % percentile interval of the mean of each sample.

    Samples of one length are drawn from alike. The order within a sample does not matter.

    Args:
        samples: finite numbers, each (n,), of any lengths.
        resamples: how often each is drawn anew, n out of n with replacement.
        seed: of the draws.

    Returns:
        Lower and upper end; None for a sample of fewer than 2, which says nothing of its spread.
    """
    intervals: list[tuple[float, float] | None] = [None] * len(samples)
    by_length = defaultdict(list)
    for place, sample in enumerate(samples):
        by_length[len(sample)].append(place)
    for length, places in by_length.items():
        if length < 2:
            continue
        values = np.stack([np.sort(samples[place]) for place in places], axis=1)
        means = _resampled_means(values, resamples, seed)
        ends = np.percentile(means, PERCENTILES, axis=0)
        for place, (low, high) in zip(places, ends.T, strict=True):
            intervals[place] = float(low), float(high)
    return intervals


def _resampled_means(values: Scores, resamples: int, seed: int) -> Scores:
    """Return the means of all columns of (n, k) in every resample, (resamples, k)."""
    length = len(values)
    rng = generator(seed, "bootstrap")
    parts = []
    block = max(_BLOCK // length, 1)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(0, length, (rows, length)) + length * np.arange(rows)[:, None]
        # How often each value was drawn: one product then serves all columns.
        counts = np.bincount(drawn.ravel(), minlength=rows * length).reshape(rows, length)
        parts.append(counts.astype(np.float64) @ values / length)
    return np.concatenate(parts)


def shared(scores: Mapping[str, Mapping[str, Scores]]) -> dict[str, Counted]:
    """Return over which photographs the means of each metric are.

    A mean without a photograph that is in the mean beside it says nothing of the two methods. So a
    photograph counts for all of them, unless the score of one is infinite there. A method that has
    no mean anyway, for it failed somewhere or is infinite everywhere, takes none from the others.

    Args:
        scores: method -> metric -> (n,) in one order of photographs; NaN where a method failed.

    Returns:
        Metric -> whether each photograph counts, (n,).
    """
    columns: dict[str, list[Scores]] = defaultdict(list)
    for metrics in scores.values():
        for metric, values in metrics.items():
            columns[metric].append(values)
    return {metric: _shared(column) for metric, column in columns.items()}


def _shared(column: Sequence[Scores]) -> Counted:
    infinite = np.isinf(column)
    unknown = np.isnan(column).any(axis=1) | infinite.all(axis=1)
    return np.asarray(~infinite[~unknown].any(axis=0))


def left_out_lines(
    left_out: Mapping[str, Sequence[str]], titles: Mapping[str, str], count: int
) -> list[str]:
    """Return what is left out of which means, and why, a line each.

    Args:
        left_out: metric -> keys of the photographs that its means are not over.
        titles: metric -> its title, of those that are shown.
        count: photographs in all.
    """
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for metric, title in titles.items():
        if metric in left_out:
            alike[tuple(left_out[metric])].append(title)
    return [
        f"{', '.join(names)}: {len(keys)} of {count} photographs left out, on which a method is "
        "exact: its score is infinite."
        for keys, names in alike.items()
    ]


def summarize(scores: Mapping[str, Mapping[str, Scores]]) -> dict[str, dict[str, Summary]]:
    """Summarize all scores.

    Args:
        scores: method -> metric -> (n,) in one order of photographs; NaN where a method failed.

    Returns:
        Method -> metric -> summary.
    """
    counted = shared(scores)
    places = [(method, metric) for method in scores for metric in scores[method]]
    samples = [scores[method][metric] for method, metric in places]
    # In ascending order: a sum must not depend on the order of the photographs.
    finite = [
        np.sort(sample[_counted(sample, counted[metric])])
        for sample, (_, metric) in zip(samples, places, strict=True)
    ]
    summaries: dict[str, dict[str, Summary]] = {method: {} for method in scores}
    for (method, metric), sample, numbers, interval in zip(
        places, samples, finite, bootstrap_intervals(finite), strict=True
    ):
        spread = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
        low, high = interval or (None, None)
        infinite, failed = int(np.isinf(sample).sum()), int(np.isnan(sample).sum())
        summaries[method][metric] = Summary(
            _mean(numbers), spread, low, high, len(sample), infinite, failed, len(numbers)
        )
    return summaries


def _counted(sample: Scores, counted: Counted) -> Counted:
    """Return what a method's mean is over: nothing where it failed or is infinite throughout."""
    return counted & ~np.isinf(sample) & ~np.isnan(sample).any()


def compare(
    scores: Mapping[str, Mapping[str, Scores]],
    pairs: Sequence[tuple[str, str]],
    metrics: Mapping[str, Metric],
) -> list[Comparison]:
    """Compare methods photograph by photograph, in every metric.

    Differences are over the photographs that the means are over: they are those of the means.

    Args:
        scores: method -> metric -> (n,) in one order of photographs; NaN where a method failed.
        pairs: names of two methods each.
        metrics: what the metrics are, and which value of them is best.
    """
    counted = shared(scores)
    cases = [(*pair, metric) for pair in pairs for metric in scores[pair[0]]]
    sides = [
        tuple(_comparable(scores[method][metric], metrics[metric]) for method in pair)
        for *pair, metric in cases
    ]
    with np.errstate(invalid="ignore"):
        differences = [first - second for first, second in sides]
    finite = [
        np.sort(difference[counted[metric] & np.isfinite(difference)])
        for difference, (*_, metric) in zip(differences, cases, strict=True)
    ]
    intervals = bootstrap_intervals(finite)
    return [
        _comparison(case, metrics[case[-1]], side, numbers, interval)
        for case, side, numbers, interval in zip(cases, sides, finite, intervals, strict=True)
    ]


def _comparison(
    case: tuple[str, str, str],
    metric: Metric,
    sides: tuple[Scores, ...],
    finite: Scores,
    interval: tuple[float, float] | None,
) -> Comparison:
    first, second = sides
    count = len(first)
    if np.isnan(first).any() or np.isnan(second).any():
        return Comparison(*case, None, None, None, None, None, count, 0)
    wins = {"high": first > second, "none": None}.get(metric.best, first < second)
    better = None if wins is None else float(wins.mean())
    low, high = interval or (None, None)
    equal = float((first == second).mean())
    return Comparison(*case, _mean(finite), low, high, better, equal, count, count - len(finite))


def _comparable(scores: Scores, metric: Metric) -> Scores:
    """Return scores of which lower or higher is better; where zero is best, their sizes."""
    return np.abs(scores) if metric.best == "zero" else scores


def _mean(finite: Scores) -> float | None:
    return float(finite.mean()) if finite.size else None
