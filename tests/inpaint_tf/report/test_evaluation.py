"""Several ways of filling, scored on the same photographs with the same masks."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inpaint_tf.data import PhotoSet, open_photos
from inpaint_tf.data.split import draw
from inpaint_tf.masks import (
    EvaluationMasks,
    MaskMode,
    box_mask,
    evaluation_masks,
    opencv_inpaint,
)
from inpaint_tf.metrics import METRICS
from inpaint_tf.report.evaluation import Evaluation, evaluate
from inpaint_tf.report.table import render_table
from neuralgym_lite.errors import UserError

Images = npt.NDArray[np.uint8]
SIZE = 48


MEASURED = [name for name in METRICS if not name.startswith("lpips")]


@pytest.fixture(scope="module", autouse=True)
def _no_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whether this machine has the weights of LPIPS must not matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("INPAINT_TF_WEIGHTS", raising=False)
        patch.setenv("INPAINT_TF_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class Telea:
    """As the classical inpainter."""

    name = "telea"

    def fill(self, image: Images, mask: Images) -> Images:
        return np.stack([opencv_inpaint(*pair, "telea") for pair in zip(image, mask, strict=True)])


class Oracle:
    """Brings the truth back, as no network can."""

    name = "oracle"
    mask_mode = MaskMode("mosaic", unit=6)

    def fill(self, image: Images, mask: Images) -> Images:
        return image


@pytest.fixture(scope="module")
def photos() -> PhotoSet:
    return open_photos("samples")


@pytest.fixture(scope="module")
def masks() -> Images:
    return evaluation_masks("hole", 7, SIZE, seed=1)


@pytest.fixture(scope="module")
def evaluation(photos: PhotoSet, masks: Images) -> Evaluation:
    return evaluate(
        [Telea(), Oracle()], photos, masks, 3, keys=photos.test[:7], settings={"seed": 1}
    )


def test_scores_are_those_of_each_photograph_by_itself(
    photos: PhotoSet, masks: Images, evaluation: Evaluation
) -> None:
    assert evaluation.photographs == photos.test[:7]
    for index, key in enumerate(evaluation.photographs):
        truth = photos.load(key, SIZE)
        result = opencv_inpaint(truth, masks[index], "telea")
        for name in MEASURED:
            metric = METRICS[name]
            expected = metric.function(
                truth, result, masks[index] if metric.region == "hole" else None
            )
            assert evaluation.scores["telea"][name][index] == expected


def test_a_score_depends_neither_on_the_batch_size_nor_on_the_order(
    photos: PhotoSet, masks: Images, evaluation: Evaluation
) -> None:
    order = [6, 2, 0, 5, 1, 4, 3]
    keys = [photos.test[index] for index in order]
    other = evaluate([Oracle(), Telea()], photos, masks[order], 4, keys=keys)
    for method, metrics in evaluation.scores.items():
        for metric, scores in metrics.items():
            np.testing.assert_array_equal(other.scores[method][metric], scores[order])


def test_what_the_network_saw_is_scored_first(
    photos: PhotoSet, masks: Images, evaluation: Evaluation
) -> None:
    assert list(evaluation.scores) == ["input (mosaic)", "telea", "oracle"]
    truth = np.stack([photos.load(key, SIZE) for key in photos.test[:7]])
    seen = np.rint((Oracle.mask_mode.apply(truth, masks) + 1) * 127.5)
    error = ((seen.astype(float) - truth) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(
        evaluation.scores["input (mosaic)"]["mse_whole_255"], error, rtol=1e-12
    )
    assert error.min() > 0


def test_without_a_network_the_input_has_grey_holes(photos: PhotoSet, masks: Images) -> None:
    evaluation = evaluate([Telea()], photos, masks[:1], 1, keys=photos.test[:1])
    assert list(evaluation.scores) == ["input (hole)", "telea"]
    pictures = evaluation.examples[0].pictures
    assert (pictures["input (hole)"][masks[0, ..., 0] == 1] == 128).all()
    known = masks[0, ..., 0] == 0
    np.testing.assert_array_equal(pictures["input (hole)"][known], pictures["truth"][known])


def test_a_name_that_occurs_twice_gets_a_number(photos: PhotoSet, masks: Images) -> None:
    evaluation = evaluate([Telea(), Telea()], photos, masks[:1], 1, keys=photos.test[:1])
    assert list(evaluation.scores) == ["input (hole)", "telea", "telea 2"]


def test_a_perfect_result_has_infinite_psnr_and_no_mean(evaluation: Evaluation) -> None:
    summaries = evaluation.summaries
    assert summaries["oracle"]["psnr_whole_db"] == (None, None, None, None, 7, 7, 0, 0)
    assert summaries["oracle"]["mse_hole_255"] == (0.0, 0.0, 0.0, 0.0, 7, 0, 0, 7)
    assert evaluation.best("psnr_whole_db") == ("oracle",)
    assert evaluation.left_out == {}
    scores = evaluation.scores["telea"]["psnr_hole_db"]
    summary = summaries["telea"]["psnr_hole_db"]
    assert summary.mean == pytest.approx(scores.mean())
    assert summary.std == pytest.approx(scores.std(ddof=1))


def test_the_files_hold_the_scores(tmp_path: Path, evaluation: Evaluation) -> None:
    evaluation.write(tmp_path / "made" / "here")
    folder = tmp_path / "made" / "here"
    assert sorted(path.name for path in folder.iterdir()) == [
        "grid.png",
        "metrics.json",
        "per_image.csv",
        "report.html",
    ]
    with (folder / "per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7 * 3
    for row in rows:
        index = evaluation.photographs.index(row["photograph"])
        assert row["lpips_alex_whole"] == ""
        for metric in MEASURED:
            assert float(row[metric]) == evaluation.scores[row["method"]][metric][index]
    document = json.loads((folder / "metrics.json").read_text())
    assert document == json.loads(json.dumps(evaluation.to_json()))
    assert document["settings"] == {"seed": 1}
    assert document["methods"]["oracle"]["psnr_whole_db"]["infinite"] == 7
    assert set(document["definitions"]) == set(METRICS)
    assert set(document["methods"]["telea"]) == set(MEASURED)
    assert "weights get lpips-alex" in document["unmeasured"]["lpips_alex_whole"]
    pairs = {(each["first"], each["second"]) for each in document["comparisons"]}
    assert ("oracle", "telea") in pairs and len(pairs) == 3
    assert document["interval"]["resamples"] == 10_000


@pytest.mark.parametrize("name", ["per_image.csv", "metrics.json", "report.html"])
def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, evaluation: Evaluation, name: str
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"{name}' cannot be written: Is a directory"):
        evaluation.write(tmp_path)
    with pytest.raises(UserError, match="cannot be made: Not a directory"):
        evaluation.write(tmp_path / "grid.png" / "below")


def test_the_grid_shows_input_results_and_truth(tmp_path: Path, evaluation: Evaluation) -> None:
    columns = ["input (mosaic)", "telea", "oracle", "truth"]
    assert all(list(example.pictures) == columns for example in evaluation.examples)
    assert len(evaluation.examples) == 6
    for example in evaluation.examples:
        np.testing.assert_array_equal(example.pictures["oracle"], example.pictures["truth"])
    evaluation.write(tmp_path)
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width >= 4 * 3 * SIZE
        assert grid.height >= 6 * 3 * SIZE


def test_writing_twice_gives_the_same_bytes(
    tmp_path: Path, photos: PhotoSet, masks: Images, evaluation: Evaluation
) -> None:
    evaluation.write(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = evaluate(
        [Telea(), Oracle()], photos, masks, 7, keys=photos.test[:7], settings={"seed": 1}
    )
    again.write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_other_masks_have_another_digest(
    photos: PhotoSet, masks: Images, evaluation: Evaluation
) -> None:
    other = masks.copy()
    other[6] = box_mask((9, 9, 20, 20), SIZE)
    changed = evaluate([Oracle()], photos, other, 7, keys=photos.test[:7])
    assert changed.masks_sha256 != evaluation.masks_sha256
    assert changed.fingerprint == evaluation.fingerprint == photos.fingerprint()


def test_progress_counts_all_results(photos: PhotoSet, masks: Images) -> None:
    told: list[tuple[int, int, str]] = []
    evaluate(
        [Telea()],
        photos,
        masks[:3],
        2,
        keys=photos.test[:3],
        on_progress=lambda *progress: told.append(progress),
    )
    names = ["input (hole)", "telea"] * 2
    assert told == [(done, 6, name) for done, name in zip((2, 4, 5, 6), names, strict=True)]


def test_an_unreadable_photograph_is_named_and_left_out(tmp_path: Path, masks: Images) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)
    keys = tuple(f"{index}.png" for index in range(5))
    for key, pixels in zip(keys, noise, strict=True):
        Image.fromarray(pixels).save(tmp_path / key)
    whole = PhotoSet("folder", tmp_path, keys[:1], keys[1:])
    expected = evaluate([Telea()], whole, masks[:4], 2)
    (tmp_path / "3.png").write_bytes(b"no picture")

    evaluation = evaluate([Telea()], whole, masks[:4], 2)

    assert list(evaluation.failed) == ["3.png"]
    assert "3.png" in evaluation.failed["3.png"]
    assert evaluation.photographs == ("1.png", "2.png", "4.png")
    np.testing.assert_array_equal(
        evaluation.scores["telea"]["mse_whole_255"],
        expected.scores["telea"]["mse_whole_255"][[0, 1, 3]],
    )


class Broken(Telea):
    """Fails on any batch that holds one of some photographs, as a network that makes NaN does."""

    name = "broken"

    def __init__(self, *bad: Images) -> None:
        self.bad = bad

    def fill(self, image: Images, mask: Images) -> Images:
        if any((one == bad).all() for one in image for bad in self.bad):
            raise UserError("Model 'broken' is broken: it predicts NaN or infinite values")
        return super().fill(image, mask)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_failure_is_named_counted_and_never_averaged_away(
    tmp_path: Path, photos: PhotoSet, masks: Images, batch_size: int
) -> None:
    keys = photos.test[:7]
    bad = [photos.load(keys[index], SIZE) for index in (1, 4)]
    evaluation = evaluate([Telea(), Broken(*bad)], photos, masks, batch_size, keys=keys)
    assert list(evaluation.broken) == ["broken"]
    assert set(evaluation.broken["broken"]) == {keys[1], keys[4]}
    assert "NaN" in evaluation.broken["broken"][keys[1]]
    scores = evaluation.scores["broken"]["mse_hole_255"]
    assert np.isnan(scores).tolist() == [index in (1, 4) for index in range(7)]
    good = [0, 2, 3, 5, 6]
    np.testing.assert_array_equal(scores[good], evaluation.scores["telea"]["mse_hole_255"][good])
    summary = evaluation.summaries["broken"]["mse_hole_255"]
    assert summary == (None, None, None, None, 7, 0, 2, 0)
    assert evaluation.best("mse_hole_255") == ("telea",)
    assert "failed on 2" in render_table(evaluation)
    assert {example.key for example in evaluation.ranked} <= {keys[index] for index in good}
    evaluation.write(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "broken failed on 2 photographs" in page and "failed on 2 of 7" in page
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert set(document["broken"]["broken"]) == {keys[1], keys[4]}


def test_a_method_that_always_fails_leaves_the_rest_alone(photos: PhotoSet, masks: Images) -> None:
    bad = [photos.load(key, SIZE) for key in photos.test[:2]]
    evaluation = evaluate([Telea(), Broken(*bad)], photos, masks[:2], 2, keys=photos.test[:2])
    assert len(evaluation.broken["broken"]) == 2
    assert evaluation.summaries["telea"]["mse_hole_255"].mean is not None
    assert evaluation.ranked == ()


class Ns(Telea):
    """As the other classical inpainter."""

    name = "ns"

    def fill(self, image: Images, mask: Images) -> Images:
        return np.stack([opencv_inpaint(*pair, "ns") for pair in zip(image, mask, strict=True)])


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Four flat photographs, which NS brings back to the bit, and ramps, which it fills better."""
    folder = tmp_path_factory.mktemp("flat")
    ramp = np.arange(SIZE, dtype=np.uint8)
    pictures = [np.full((SIZE, SIZE), level, np.uint8) for level in (40, 90, 160, 210)]
    pictures += [np.tile(ramp * 3, (SIZE, 1)), ramp[:, None] + ramp]
    keys = tuple(f"{index}.png" for index in range(len(pictures)))
    for key, pixels in zip(keys, pictures, strict=True):
        Image.fromarray(pixels).save(folder / key)
    photos = PhotoSet("folder", folder, keys[:1], keys)
    masks = np.stack([box_mask((12, 12, 24, 24), SIZE)] * len(keys))
    return evaluate([Ns(), Telea()], photos, masks, 2)


def test_the_order_of_the_means_is_that_on_each_photograph(
    flat: Evaluation, tmp_path: Path
) -> None:
    for metric in ("psnr_whole_db", "psnr_hole_db"):
        ns, telea = (flat.scores[name][metric] for name in ("ns", "telea"))
        assert np.isinf(ns).tolist() == [True] * 4 + [False] * 2
        assert (ns > telea).all()
        summaries = [flat.summaries[name][metric] for name in ("ns", "telea")]
        assert [each.mean for each in summaries] == [ns[4:].mean(), telea[4:].mean()]
        assert [(each.n, each.counted) for each in summaries] == [(6, 2), (6, 2)]
        assert flat.best(metric) == ("ns",)
        (pair,) = (
            each
            for each in flat.comparisons
            if each.metric == metric and {each.first, each.second} == {"ns", "telea"}
        )
        assert (pair.first, pair.better) == ("telea", 0.0)
        assert pair.mean == pytest.approx((telea - ns)[4:].mean())
        assert pair.low is not None and pair.low < 0 and pair.infinite == 4
    told = "PSNR, hole PSNR: 4 of 6 photographs left out, on which a method is exact"
    table = render_table(flat)
    shown = {row.split("|")[1].strip(): row.split("|") for row in table.splitlines() if "|" in row}
    assert float(shown["ns"][4]) > float(shown["telea"][4])
    assert told in table
    flat.write(tmp_path)
    assert told in (tmp_path / "report.html").read_text()
    document = json.loads((tmp_path / "metrics.json").read_text())
    keys = [f"{index}.png" for index in range(4)]
    assert document["left_out"] == {"psnr_whole_db": keys, "psnr_hole_db": keys}
    assert document["methods"]["telea"]["psnr_whole_db"]["counted"] == 2
    assert document["methods"]["telea"]["mse_whole_255"]["counted"] == 6


class Shrunk(Telea):
    name = "shrunk"

    def fill(self, image: Images, mask: Images) -> Images:
        return image[:, ::2, ::2]


def test_refuses_results_of_another_size(photos: PhotoSet, masks: Images) -> None:
    with pytest.raises(UserError, match=r"'shrunk' must return .* got uint8 \(1, 24, 24, 3\)"):
        evaluate([Shrunk()], photos, masks[:1], 1, keys=photos.test[:1])


def test_masks_may_be_made_when_they_are_asked_for(
    photos: PhotoSet, masks: Images, evaluation: Evaluation
) -> None:
    lazy = EvaluationMasks("hole", 7, SIZE, seed=1)
    other = evaluate([Telea(), Oracle()], photos, lazy, 2, keys=photos.test[:7])
    assert other.masks_sha256 == evaluation.masks_sha256
    np.testing.assert_array_equal(
        other.scores["telea"]["mse_hole_255"], evaluation.scores["telea"]["mse_hole_255"]
    )


def test_photographs_are_read_a_batch_ahead_and_no_more(
    photos: PhotoSet, masks: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = PhotoSet.load

    def noted(self: PhotoSet, key: str, size: int) -> Images:
        read.append(key)
        return load(self, key, size)

    ahead: list[int] = []

    class Watcher(Telea):
        def fill(self, image: Images, mask: Images) -> Images:
            ahead.append(len(read))
            return super().fill(image, mask)

    monkeypatch.setattr(type(photos), "load", noted)
    evaluate([Watcher()], photos, masks, 2, keys=photos.test[:7])
    assert all(seen <= 2 * (turn + 2) for turn, seen in enumerate(ahead[:4]))


def test_examples_are_the_best_median_and_worst_of_the_last_method(
    photos: PhotoSet, masks: Images
) -> None:
    evaluation = evaluate([Oracle(), Telea()], photos, masks, 3, keys=photos.test[:7])
    assert evaluation.subject == "telea"
    errors = dict(
        zip(evaluation.photographs, evaluation.scores["telea"]["mse_hole_255"], strict=True)
    )
    ordered = sorted(errors, key=errors.__getitem__)
    shown = [(example.rank, example.key) for example in evaluation.ranked]
    ranks = ["best", "best", "median", "median", "worst", "worst"]
    assert shown == list(zip(ranks, [*ordered[:4], *ordered[5:]], strict=True))
    assert [example.error for example in evaluation.ranked] == sorted(
        errors[key] for _, key in shown
    )


def test_refuses_when_no_photograph_can_be_read(tmp_path: Path, masks: Images) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    photos = PhotoSet("folder", tmp_path, ("a.png",), ("a.png",))
    with pytest.raises(UserError, match=r"none of 1 photographs could be scored: .*a\.png"):
        evaluate([Telea()], photos, masks[:1], 1)


def test_refuses_another_number_of_masks(photos: PhotoSet, masks: Images) -> None:
    with pytest.raises(UserError, match="one mask, got 2 and 7"):
        evaluate([Telea()], photos, masks, 1, keys=photos.test[:2])


def test_draw_depends_on_the_keys_alone() -> None:
    keys = tuple(f"class/{index}.jpg" for index in range(50))
    drawn = draw(keys, 10)
    assert len(drawn) == 10
    assert set(draw(keys[::-1], 10)) == set(drawn)
    assert set(draw(keys, 4)) < set(drawn)
    assert list(drawn) == sorted(drawn, key=keys.index)
    assert draw(keys[:3], 10) == keys[:3]


def test_the_table_shows_the_means(evaluation: Evaluation) -> None:
    lines = render_table(evaluation).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[:5]]
    assert rows[0] == [
        "method",
        *("MSE", "L1", "PSNR", "SSIM", "LPIPS", "TV", "hole MSE", "hole L1", "hole PSNR"),
    ]
    assert [row[0] for row in rows[2:]] == list(evaluation.scores)
    telea, oracle = rows[3], rows[4]
    assert telea[1] == f"{evaluation.scores['telea']['mse_whole_255'].mean():.1f}"
    assert telea[9] == f"{evaluation.scores['telea']['psnr_hole_db'].mean():.2f}"
    assert oracle[1:5] == ["0.0", "0.00", "inf", "1.0000"]
    assert len({len(line) for line in lines[:5]}) == 1
    assert telea[5] == "not measured"
    assert f"TV of the truth is {oracle[6]}" in lines[-2]
    assert lines[-1].startswith("LPIPS, hole LPIPS: not measured.")
    assert "inpaint-tf weights get lpips-alex" in lines[-1]
