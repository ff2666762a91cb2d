from __future__ import annotations

import json

import numpy as np
import pytest

from inpaint_tf.report.curves import draw_curves
from neuralgym_lite.errors import UserError


@pytest.fixture
def run(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    lines = [{"iteration": i, "l1": 1 / i, "wgan_d": -i} for i in range(1, 201)]
    (tmp_path / "scalars.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "validation.jsonl").write_text('{"iteration": 100, "val_l1": 3.5}\n')
    return tmp_path


def test_curves_are_the_logged_values(run):
    figure = draw_curves([run], ["l1", "wgan_d", "val_l1"], smoothing=1)
    positive, signed, validation = figure.axes
    x, y = positive.lines[0].get_data()
    np.testing.assert_array_equal(x, np.arange(1, 201))
    np.testing.assert_allclose(y, 1 / np.arange(1, 201))
    assert (positive.get_yscale(), signed.get_yscale()) == ("log", "linear")
    assert validation.lines[0].get_xydata().tolist() == [[100, 3.5]]


def test_moving_mean_keeps_a_line_straight(run):
    x, y = draw_curves([run], ["wgan_d"], smoothing=50).axes[0].lines[0].get_data()
    assert len(x) == 151
    np.testing.assert_allclose(y, -x)


def test_scalars_share_a_panel(run):
    (panel,) = draw_curves([run], ["l1,val_l1"], smoothing=1).axes
    labels = [text.get_text() for text in panel.get_legend().get_texts()]
    assert labels == [f"{run.name} l1", f"{run.name} val_l1"]
    assert [len(line.get_xdata()) for line in panel.lines] == [200, 1]


def test_unknown_scalar_names_the_known(run):
    with pytest.raises(UserError, match="'l2'. They have: .*l1, val_l1, wgan_d"):
        draw_curves([run], ["l1,l2"])
