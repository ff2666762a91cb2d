"""What an export costs in scores, and which exports are refused for it."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.exporters import price
from inpaint_tf.exporters.price import MOST_WORSE, Price, measure
from neuralgym_lite.errors import UserError


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(price, "SIZE", 64)


def filled_with(level):
    return lambda image, mask: np.where(mask == 1, np.uint8(level), image)


@pytest.mark.usefixtures("small")
def test_both_fill_the_same_holes():
    calls, seen = [], []

    def network(image, mask):
        calls.append(image)
        return filled_with(128)(image, mask)

    found = measure(network, filled_with(0), 10, lambda *progress: seen.append(progress))
    assert found.size == 10 and found.photographs == len(calls) == price.PHOTOGRAPHS
    for title in ("MSE", "L1"):
        ours, theirs = found.scores[title]
        assert 0 < ours < theirs, title
    hole = slice(16, 48)
    errors = [np.abs(image[0, hole, hole].astype(int) - 128).sum() / image.size for image in calls]
    assert found.scores["L1"][0] == pytest.approx(np.mean(errors))
    assert seen[-1][0] == seen[-1][1] == 3 * price.PHOTOGRAPHS


@pytest.mark.usefixtures("small")
def test_a_file_that_changes_nothing_costs_nothing():
    found = measure(lambda image, mask: image, lambda image, mask: image, 10)
    assert found.scores["MSE"] == (0, 0) and found.scores["PSNR"] == (np.inf, np.inf)
    assert found.lines()[-1].startswith("| difference | +0 | +0 | +0 |")
    found.check("float32")


@pytest.mark.parametrize("precision", MOST_WORSE)
@pytest.mark.parametrize("title", ["MSE", "L1"])
def test_a_file_that_fills_worse_is_refused(precision, title):
    equal = {"MSE": (200.0, 200.0), "L1": (4.0, 4.0), "PSNR": (20.0, 20.0)}
    Price(equal, 1).check(precision)
    before = equal[title][0]
    Price({**equal, title: (before, before * 0.5)}, 1).check(precision)
    worse = before * (1 + MOST_WORSE[precision]) + 0.02
    with pytest.raises(UserError, match=f"fills worse than the network: {title} is .*{precision}"):
        Price({**equal, title: (before, worse)}, 1).check(precision)
