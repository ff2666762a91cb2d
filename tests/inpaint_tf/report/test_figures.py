"""Figures of pictures, and the masks and photographs that they are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inpaint_tf.inference import load
from inpaint_tf.report.figures import (
    attention_figure,
    comparison_figure,
    draw_mask,
    removal_figure,
    worst_photographs,
)
from neuralgym_lite.errors import UserError

Images = npt.NDArray[np.uint8]


class Attentive:
    name = "attentive"
    has_attention = True

    def fill(self, image: Images, mask: Images, return_attention: bool = False) -> Any:
        filled = np.where(mask == 1, np.uint8(9), image)
        return (filled, np.full((1, 16, 16, 2), 3, np.int32)) if return_attention else filled


@pytest.fixture
def photograph() -> Images:
    return np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)


@pytest.fixture
def hole() -> Images:
    return draw_mask((128, 128), [(32, 32, 96, 96)])[..., None]


def _cell(figure: Images, photograph: Images) -> tuple[int, int] | None:
    """Return where a picture of the size of a cell is in a figure."""
    height, width = photograph.shape[:2]
    for top in range(figure.shape[0] - height + 1):
        rows = figure[top, :, 0]
        for left in np.flatnonzero(rows == photograph[0, 0, 0]):
            if (figure[top : top + height, left : left + width] == photograph).all():
                return top, int(left)
    return None


def test_a_comparison_holds_results_and_truth(photograph: Images, hole: Images) -> None:
    figure = comparison_figure([load("telea"), Attentive()], [photograph], [hole], ["row"])
    results = [load("telea").fill(photograph, hole), Attentive().fill(photograph, hole)]
    places = [_cell(figure, picture) for picture in (*results, photograph)]
    assert None not in places
    assert places == sorted(places, key=lambda place: place[1] if place else -1)
    assert len({place[0] for place in places if place}) == 1


def test_an_attention_figure_has_a_map_as_last_column(photograph: Images, hole: Images) -> None:
    figure = attention_figure(Attentive(), [photograph] * 2, [hole] * 2)
    assert figure.shape[0] > 2 * 128
    cell = figure[-100, -60]
    assert np.ptp(cell.astype(int)) > 100  # a hue
    with pytest.raises(UserError, match="'ns' has no attention"):
        attention_figure(load("ns"), [photograph], [hole])


def test_removal_marks_what_goes_and_keeps_the_rest(photograph: Images) -> None:
    mask = draw_mask((128, 128), polygons=[[(10, 10), (60, 10), (10, 60)]])
    figure = removal_figure([Attentive()], photograph, mask)
    assert _cell(figure, photograph) is not None
    assert _cell(figure, Attentive().fill(photograph, mask[..., None])) is not None
    with pytest.raises(UserError, match="size of the photograph, 128x128. Received: 64x128"):
        removal_figure([Attentive()], photograph, mask[:, :64])
    with pytest.raises(UserError, match="marks nothing"):
        removal_figure([Attentive()], photograph, np.zeros_like(mask))


def test_masks_are_drawn_from_shapes() -> None:
    mask = draw_mask((10, 12), [(2, 3, 5, 7), (-4, -4, 1, 1)])
    assert mask[3:7, 2:5].all() and mask[0, 0] == 1
    assert mask.sum() == 4 * 3 + 1
    triangle = draw_mask((10, 12), polygons=[[(0, 0), (9, 0), (0, 9)]])
    assert triangle[1, 1] == 1 and triangle[9, 11] == 0
    with pytest.raises(UserError, match="left,top,right,bottom"):
        draw_mask((4, 4), [(1, 2, 3)])
    with pytest.raises(UserError, match="three corners"):
        draw_mask((4, 4), polygons=[[(1, 2), (3, 4)]])


def test_the_worst_come_first_whatever_is_bad(tmp_path: Path) -> None:
    table = tmp_path / "per_image.csv"
    table.write_text(
        "photograph,method,mse_hole_255,psnr_hole_db,tv_gap_hole_255,lpips_alex_hole\n"
        "a,ns,5,30,-9,\nb,ns,50,20,2,\nc,ns,9,inf,3,\nd,ns,nan,nan,nan,\na,telea,900,1,1,\n"
    )
    assert worst_photographs(table, "ns", "mse_hole_255", 2) == {"b": 50.0, "c": 9.0}
    assert list(worst_photographs(table, "ns", "psnr_hole_db", 9)) == ["b", "a"]
    assert list(worst_photographs(table, "ns", "tv_gap_hole_255", 9)) == ["a", "c", "b"]
    assert worst_photographs(table, "ns", "lpips_alex_hole", 9) == {}
    with pytest.raises(UserError, match=r"no method 'nss'.*ns"):
        worst_photographs(table, "nss", "mse_hole_255", 1)
    with pytest.raises(UserError, match="no metric 'mse'"):
        worst_photographs(table, "ns", "mse", 1)
    with pytest.raises(UserError, match="inpaint-tf evaluate"):
        worst_photographs(tmp_path / "none.csv", "ns", "mse_hole_255", 1)
