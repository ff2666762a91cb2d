"""Detail as a graph computes it, against NumPy and OpenCV."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from inpaint_tf.inference import detail, detail_graph

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("cell", [8, 16])
@pytest.mark.parametrize("hole", [(3, 6, 2, 7), (0, 4, 0, 3), (0, 7, 4, 5)])
def test_detail_is_that_of_numpy(hole: tuple[int, int, int, int], cell: int) -> None:
    cells = np.zeros((7, 9), bool)
    cells[slice(*hole[:2]), slice(*hole[2:])] = True
    missing = cells.repeat(cell, axis=0).repeat(cell, axis=1)
    missing[0, 0] = True
    picture = RNG.integers(0, 256, (*missing.shape, 3), np.uint8)
    expected = detail._detail(picture, missing, ~missing, cell)
    found = detail_graph.find_detail(picture, missing, ~missing, cell)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=2e-3)
    assert np.abs(expected[missing]).max() > 10


@pytest.mark.parametrize("depth", [0.0, 128.0, 128.5, 256.0, 257.0, 1000.0])
def test_cells_grow_with_the_holes(depth: float) -> None:
    cell = detail.CELL
    while depth > cell * detail.MARGIN:
        cell *= 2
    assert int(detail_graph.cell_size(ops.convert_to_tensor(depth, "float32"))) == cell
