"""Means, their intervals, and comparisons photograph by photograph."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.metrics import METRICS
from inpaint_tf.report import statistics
from inpaint_tf.report.statistics import (
    Scores,
    Summary,
    bootstrap_intervals,
    compare,
    left_out_lines,
    shared,
    summarize,
)
from neuralgym_lite.seeds import generator

INF = np.inf


def _oracle(sample: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    rng = generator(seed, "bootstrap")
    values = sorted(sample)
    means = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(values), len(values))
        means.append(sum(values[index] for index in drawn) / len(values))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def test_intervals_equal_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    samples = [rng.normal(5, 2, 17), rng.exponential(3, 9), rng.normal(0, 1, 17)]
    intervals = bootstrap_intervals(samples, resamples=500, seed=4)
    for sample, interval in zip(samples, intervals, strict=True):
        assert interval == pytest.approx(_oracle(sample, 500, 4), abs=1e-12)


def test_intervals_do_not_depend_on_blocks_or_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = np.random.default_rng(2).normal(size=23)
    whole = bootstrap_intervals([sample], resamples=400)
    assert bootstrap_intervals([sample[::-1]], resamples=400) == whole
    monkeypatch.setattr(statistics, "_BLOCK", 23 * 7)
    assert bootstrap_intervals([sample], resamples=400)[0] == pytest.approx(whole[0], abs=1e-13)


def test_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    samples = list(rng.gamma(2.0, 3.0, (300, 60)))
    covered = [
        low <= 6.0 <= high
        for low, high in filter(None, bootstrap_intervals(samples, resamples=1000))
    ]
    assert len(covered) == 300
    assert 0.89 <= np.mean(covered) <= 0.98


def _psnr(**rows: list[float]) -> dict[str, dict[str, Scores]]:
    return {method: {"psnr_hole_db": np.array(row, float)} for method, row in rows.items()}


def _summarized(**rows: list[float]) -> dict[str, Summary]:
    return {method: found["psnr_hole_db"] for method, found in summarize(_psnr(**rows)).items()}


def test_fewer_than_two_photographs_have_no_interval() -> None:
    assert bootstrap_intervals([np.array([3.0]), np.array([])]) == [None, None]
    assert _summarized(a=[3.0]) == {"a": (3.0, None, None, None, 1, 0, 0, 1)}


def test_infinite_scores_are_counted_apart() -> None:
    summary = _summarized(a=[20.0, INF, 30.0])["a"]
    assert (summary.mean, summary.n, summary.infinite, summary.failed) == (25.0, 3, 1, 0)
    assert summary.counted == 2
    assert summary.std == pytest.approx(50**0.5)
    assert _summarized(a=[INF] * 4) == {"a": (None, None, None, None, 4, 4, 0, 0)}


def test_a_mean_is_over_the_photographs_of_the_mean_beside_it() -> None:
    # The first is better on each, and loses its best photographs.
    found = _summarized(a=[INF, 50.0, INF, 20.0, 24.0], b=[52.0, 49.0, 51.0, 19.0, 23.0])
    assert found["a"].mean == pytest.approx(94 / 3)
    assert found["b"].mean == pytest.approx(91 / 3)
    assert [(each.n, each.counted, each.infinite) for each in found.values()] == [
        (5, 3, 2),
        (5, 3, 0),
    ]
    scores = _psnr(a=[INF, 50.0, INF, 20.0, 24.0], b=[52.0, 49.0, 51.0, 19.0, 23.0])
    (comparison,) = compare(scores, [("a", "b")], METRICS)
    assert comparison.mean == pytest.approx(found["a"].mean - found["b"].mean)
    assert comparison.better == 1.0


def test_a_third_method_leaves_a_photograph_out_of_a_comparison_too() -> None:
    scores = _psnr(a=[10.0, 20.0, 30.0], b=[10.0, 21.0, 32.0], c=[INF, 1.0, 1.0])
    (comparison,) = compare(scores, [("a", "b")], METRICS)
    assert (comparison.mean, comparison.n, comparison.infinite) == (-1.5, 3, 1)
    assert shared(scores)["psnr_hole_db"].tolist() == [False, True, True]


def test_a_method_without_a_mean_leaves_nothing_out() -> None:
    found = _summarized(a=[10.0, 20.0], exact=[INF, INF], failed=[INF, np.nan])
    assert (found["a"].mean, found["a"].counted) == (15.0, 2)
    assert (found["exact"].mean, found["exact"].infinite, found["exact"].counted) == (None, 2, 0)
    assert (found["failed"].mean, found["failed"].failed, found["failed"].counted) == (None, 1, 0)


def test_no_photograph_may_be_left() -> None:
    found = _summarized(a=[INF, 20.0], b=[20.0, INF])
    assert [(each.mean, each.counted, each.infinite) for each in found.values()] == [
        (None, 0, 1)
    ] * 2


def test_each_metric_has_photographs_of_its_own() -> None:
    scores = {
        "a": {"psnr_hole_db": np.array([INF, 2.0]), "mse_hole_255": np.array([0.0, 4.0])},
        "b": {"psnr_hole_db": np.array([1.0, 3.0]), "mse_hole_255": np.array([2.0, 6.0])},
    }
    found = summarize(scores)
    assert [found[name]["psnr_hole_db"].mean for name in "ab"] == [2.0, 3.0]
    assert [found[name]["mse_hole_255"].mean for name in "ab"] == [2.0, 4.0]


def test_what_is_left_out_is_told_once_for_metrics_alike() -> None:
    titles = {"p": "PSNR", "h": "hole PSNR", "q": "paper PSNR", "m": "MSE"}
    left_out = {"p": ["x"], "h": ["x"], "q": ["x", "y"], "unseen": ["z"]}
    why = "left out, on which a method is exact: its score is infinite."
    assert left_out_lines(left_out, titles, 263) == [
        f"PSNR, hole PSNR: 1 of 263 photographs {why}",
        f"paper PSNR: 2 of 263 photographs {why}",
    ]


def test_a_failure_is_never_averaged_away() -> None:
    assert _summarized(a=[1.0, np.nan, 3.0]) == {"a": (None, None, None, None, 3, 0, 1, 0)}
    scores = {"a": {"l1_hole_255": np.array([1.0, np.nan])}, "b": {"l1_hole_255": np.ones(2)}}
    (comparison,) = compare(scores, [("a", "b")], METRICS)
    assert (comparison.mean, comparison.better, comparison.n) == (None, None, 2)


@pytest.mark.parametrize(
    ("metric", "first", "second", "mean", "better"),
    [
        ("mse_whole_255", [0, 1, 6, 3], [3, 1, 6, 4], -1.0, 0.5),
        ("psnr_whole_db", [2, 1, 6, 1], [1, 1, 6, 6], -1.0, 0.25),
        ("tv_gap_whole_255", [-1, 1, 6, 3], [2, -1, 6, 4], -0.5, 0.5),  # of their sizes
        ("tv_whole_255", [0, 1, 6, 3], [3, 1, 6, 4], -1.0, None),
    ],
)
def test_pairs_by_hand(
    metric: str, first: list[int], second: list[int], mean: float, better: float | None
) -> None:
    scores = {"a": {metric: np.array(first, float)}, "b": {metric: np.array(second, float)}}
    (comparison,) = compare(scores, [("a", "b")], METRICS)
    assert (comparison.mean, comparison.better, comparison.equal) == (mean, better, 0.5)
    assert comparison.low is not None and comparison.high is not None
    assert comparison.low < mean < comparison.high


def test_differences_of_infinite_scores_are_left_out_of_the_mean_alone() -> None:
    scores = {
        "a": {"psnr_hole_db": np.array([np.inf, np.inf, 20.0, 24.0])},
        "b": {"psnr_hole_db": np.array([np.inf, 30.0, 21.0, 20.0])},
    }
    (comparison,) = compare(scores, [("a", "b")], METRICS)
    assert comparison.mean == 1.5
    assert (comparison.better, comparison.equal, comparison.infinite) == (0.5, 0.25, 2)
