"""Means, their intervals, and comparisons photograph by photograph."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.metrics import METRICS
from inpaint_tf.report import statistics
from inpaint_tf.report.statistics import bootstrap_intervals, compare, summarize
from neuralgym_lite.seeds import generator


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


def test_fewer_than_two_photographs_have_no_interval() -> None:
    assert bootstrap_intervals([np.array([3.0]), np.array([])]) == [None, None]
    assert summarize([np.array([3.0])]) == [(3.0, None, None, None, 1, 0, 0)]


def test_infinite_scores_are_counted_apart() -> None:
    (summary,) = summarize([np.array([20.0, np.inf, 30.0])])
    assert (summary.mean, summary.n, summary.infinite, summary.failed) == (25.0, 3, 1, 0)
    assert summary.std == pytest.approx(50**0.5)
    assert summarize([np.array([np.inf] * 4)]) == [(None, None, None, None, 4, 4, 0)]


def test_a_failure_is_never_averaged_away() -> None:
    assert summarize([np.array([1.0, np.nan, 3.0])]) == [(None, None, None, None, 3, 0, 1)]
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
