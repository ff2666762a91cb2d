"""What the graph around a network does to pictures and masks."""

from __future__ import annotations

import numpy as np
import pytest

from inpaint_tf.models.filling import reflected
from inpaint_tf.models.region import features_near


def photographs(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.parametrize("size", [(8, 8), (9, 15), (16, 24), (3, 17)])
@pytest.mark.parametrize("multiple", [4, 8, 16])
def test_padding_is_numpys(size, multiple):
    values = photographs(2, *size)
    pads = [(0, -side % multiple) for side in size]
    expected = np.pad(values, ((0, 0), *pads, (0, 0)), mode="reflect")
    np.testing.assert_array_equal(reflected(values, multiple), expected)


@pytest.mark.parametrize("distance", [1, 4, 19])
def test_features_near_a_hole(distance):
    mask = np.zeros((1, 64, 80, 1), np.float32)
    mask[0, 31, 40] = 1
    rows, columns = np.mgrid[:16, :20] * 4
    # The pixel of a feature's square that is nearest to the hole.
    down = np.maximum(np.maximum(rows - 31, 31 - (rows + 3)), 0)
    right = np.maximum(np.maximum(columns - 40, 40 - (columns + 3)), 0)
    within = np.maximum(down, right) <= distance
    found = features_near(mask, distance)[0, ..., 0].numpy() > 0
    assert found[within].all()
    assert found.sum() < 2 * within.sum() + 9, "and little more"
