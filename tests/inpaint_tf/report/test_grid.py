"""Pictures in a titled grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from inpaint_tf.report.grid import image_grid
from neuralgym_lite.errors import UserError


def _flat(level: int, height: int = 16, width: int = 16) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


def test_every_picture_is_in_its_cell() -> None:
    grid = image_grid([[_flat(10), _flat(20)], [_flat(30), _flat(40)]], gap=4)
    assert grid.shape == (4 + 2 * 20, 4 + 2 * 20, 3)
    for level, top, left in ((10, 4, 4), (20, 4, 24), (30, 24, 4), (40, 24, 24)):
        assert (grid[top : top + 16, left : left + 16] == level).all()
    assert (grid[:4] == 255).all()
    assert (grid[20:24] == 255).all()


def test_smaller_pictures_are_brought_to_the_common_size() -> None:
    small = np.array([[[0] * 3, [90] * 3]], np.uint8)
    grid = image_grid([[_flat(10), small]], gap=0)
    assert grid.shape == (16, 32, 3)
    assert (grid[:, 16:24] == 0).all()
    assert (grid[:, 24:] == 90).all()


def test_titles_are_written_beside_the_pictures_and_never_over_them() -> None:
    rows = [[_flat(200), _flat(200)]] * 2
    plain = image_grid(rows)
    titled = image_grid(rows, ["a", "a very long title"], ["first", "second"])
    assert titled.shape[0] > plain.shape[0]
    assert titled.shape[1] > plain.shape[1]
    assert (titled == 200).all(axis=-1).sum() >= 4 * 16 * 16
    top = titled[: titled.shape[0] - plain.shape[0]]
    assert top.min() < 100
    again = image_grid(rows, ["a", "a very long title"], ["first", "second"])
    np.testing.assert_array_equal(titled, again)


def test_a_short_row_leaves_cells_empty() -> None:
    grid = image_grid([[_flat(10), _flat(20)], [_flat(30)]], gap=0)
    assert (grid[16:, 16:] == 255).all()


def test_refusals() -> None:
    with pytest.raises(UserError, match="at least one picture"):
        image_grid([])
    with pytest.raises(UserError, match="2 columns need as many titles, got 1"):
        image_grid([[_flat(0), _flat(0)]], column_titles=["one"])
    with pytest.raises(UserError, match="1 rows need as many titles, got 2"):
        image_grid([[_flat(0)]], row_titles=["one", "two"])
    with pytest.raises(UserError, match="uint8 pictures"):
        image_grid([[np.zeros((4, 4, 3), np.float32)]])  # type: ignore[list-item]


def test_titles_may_be_any_names() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    plain = image_grid([[picture]], ["a\\nb\ufffd"], [r"\x1b"])
    np.testing.assert_array_equal(image_grid([[picture]], ["a\nb\udcff"], ["\x1b"]), plain)
