"""Table II: the paper's numbers, ours, and the paper's own definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inpaint_tf.data import PhotoSet, open_photos
from inpaint_tf.inference import load
from inpaint_tf.masks import EvaluationMasks
from inpaint_tf.metrics import METRICS
from inpaint_tf.report.evaluation import evaluate
from inpaint_tf.report.result import Evaluation
from inpaint_tf.report.table2 import (
    RAW,
    ROWS,
    TABLE2_METRICS,
    RowFiller,
    find_sources,
    paper_l1,
    paper_mse,
    paper_psnr,
    paper_tv,
    render_table2,
    row,
    stretch,
)
from neuralgym_lite.errors import UserError

Images = npt.NDArray[np.uint8]


class Dimmed:
    """Halves what is known too, when it is asked for a raw prediction."""

    has_attention = False

    def fill(self, image: Images, mask: Images) -> Images:
        return np.where(mask == 1, image // 2, image)

    def predict(self, image: Images, mask: Images) -> Images:
        return image // 2


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    photos = open_photos("samples")
    fillers = [RowFiller(name, load(name.lower())) for name in ("TELEA", "NS")]
    fillers += [RowFiller(name, Dimmed()) for name in ("Autoencoder", RAW)]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("INPAINT_TF_WEIGHTS", raising=False)
        patch.setenv("INPAINT_TF_CACHE", "/nowhere")
        return evaluate(
            fillers,
            photos,
            EvaluationMasks("center", 3, 48),
            2,
            keys=photos.test[:3],
            metrics=TABLE2_METRICS,
        )


def _cells(table: str) -> dict[str, list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(cells) for cells in rows}) == 1
    return {cells[0].partition(" (")[0]: cells for cells in rows}


def test_every_row_of_the_paper_is_there_as_printed(evaluation: Evaluation) -> None:
    table = _cells(render_table2(evaluation, {}))
    for each in ROWS:
        assert table[each.name][3::2] == list(each.paper or [""] * 5)
    assert table["GLCIC"][2] == "not trained"
    assert table["NS"][2] == ""


@pytest.mark.parametrize("paper", [False, True])
def test_ours_stand_beside_them(evaluation: Evaluation, paper: bool) -> None:
    text = render_table2(evaluation, {"Autoencoder": "1,307"}, paper)
    table = _cells(text)
    metric = "paper_mse" if paper else "mse_whole_255"
    for name in ("TELEA", "NS", "Autoencoder", RAW):
        assert table[name][4] == f"{evaluation.summaries[name][metric].mean:.2f}"
        assert table[name][10] == ("none" if paper else "not measured")
    assert table["Autoencoder"][2] == "1,307"
    assert all(f"\n* ({note}) " in text for each in ROWS for note in each.notes)
    assert "cannot be computed" in text and "difference of total variations" in text
    assert evaluation.masks_sha256[:16] in text


def test_flat_photographs_do_not_lower_the_row_that_is_exact(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(48, dtype=np.uint8) * 3, (48, 1))
    for key, pixels in {"flat": np.full((48, 48), 90, np.uint8), "ramp": ramp}.items():
        Image.fromarray(pixels).save(tmp_path / f"{key}.png")
    photos = PhotoSet("folder", tmp_path, ("flat.png",), ("flat.png", "ramp.png"))
    fillers = [RowFiller(name, load(name.lower())) for name in ("TELEA", "NS")]
    masks = EvaluationMasks("center", 2, 48)
    found = evaluate(fillers, photos, masks, 2, metrics=TABLE2_METRICS)
    for paper in (False, True):
        text = render_table2(found, {}, paper)
        table = _cells(text)
        assert float(table["NS"][8]) > float(table["TELEA"][8])
        assert "PSNR, hole PSNR, paper PSNR: 1 of 2 photographs left out" in text


def test_the_raw_row_scores_known_pixels_too(evaluation: Evaluation) -> None:
    scores = evaluation.scores
    raw, composited = scores[RAW], scores["Autoencoder"]
    assert (raw["mse_whole_255"] > 2 * composited["mse_whole_255"]).all()
    np.testing.assert_array_equal(raw["mse_hole_255"], composited["mse_hole_255"])


def test_the_paper_stretches_every_picture_by_itself() -> None:
    picture = np.array([[[50, 60, 70]], [[80, 90, 100]]], np.uint8)
    assert stretch(picture).ravel().tolist() == [0, 51, 102, 153, 204, 255]
    brighter = picture + 100
    assert paper_mse(picture, brighter) == 0.0
    assert paper_l1(picture, brighter) == 0.0
    assert paper_psnr(picture, brighter) == np.inf
    assert (stretch(np.full((2, 2, 3), 9, np.uint8)) == 0).all()


def test_the_papers_psnr_and_variation_by_hand() -> None:
    truth = np.zeros((2, 2, 3), np.uint8)
    truth[0, 0] = 255
    result = np.zeros((2, 2, 3), np.uint8)
    result[0, 0, 0] = 255
    error = 2 * 255**2 / 12
    assert paper_mse(truth, result) == pytest.approx(error)
    assert paper_psnr(truth, result) == pytest.approx(20 * np.log10(255 / error**0.5))
    # Along the row the truth falls in three colours, the result in one, and between its colours.
    assert paper_tv(truth, result) == pytest.approx((3 * 255 - 2 * 255) / 4)


def test_paper_scores_do_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(0)
    truth, result = rng.integers(20, 200, (2, 3, 16, 12, 3), np.uint8)
    for function in (paper_mse, paper_l1, paper_psnr, paper_tv):
        batch = function(truth, result)
        assert batch.shape == (3,)
        alone = [function(*pair) for pair in zip(truth, result, strict=True)]
        np.testing.assert_array_equal(batch, alone)


def test_runs_are_found_under_the_names_of_their_settings(tmp_path: Path) -> None:
    run = tmp_path / "ca-animals-mosaic"
    run.mkdir()
    assert find_sources(tmp_path) == {"TELEA": "telea", "NS": "ns"}
    (run / "manifest.json").touch()
    assert find_sources(tmp_path)["CA-Animals-Mosaic"] == str(run)


def test_an_unknown_row_is_refused() -> None:
    with pytest.raises(UserError, match=r"no row 'CA-Animal-Hole'.*CA-Animals-Hole"):
        row("CA-Animal-Hole")


@pytest.mark.parametrize("name", ["TELEA", "NS"])
def test_classical_rows_are_within_15_percent_of_the_paper(shared: Path, name: str) -> None:
    photos = open_photos("imagenet", shared / "data" / "imagenet")
    masks = EvaluationMasks("center", len(photos.test), 256)
    columns = ("mse_whole_255", "l1_whole_255", "psnr_whole_db")
    metrics = {column: METRICS[column] for column in (*columns, "mse_hole_255")}
    evaluation = evaluate([load(name.lower())], photos, masks, 8, metrics=metrics)
    for column, printed in zip(columns, row(name).paper, strict=False):
        mean = evaluation.summaries[name.lower()][column].mean
        assert mean == pytest.approx(float(printed), rel=0.15), column
