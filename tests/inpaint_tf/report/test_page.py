"""The report: one well-formed page that needs nothing beside it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inpaint_tf.data import PhotoSet, open_photos
from inpaint_tf.masks import EvaluationMasks, MaskMode, opencv_inpaint
from inpaint_tf.metrics import METRICS
from inpaint_tf.report.evaluation import evaluate
from inpaint_tf.report.page import render_page
from inpaint_tf.report.result import Evaluation
from inpaint_tf.report.strip_plot import strip_plot

Images = npt.NDArray[np.uint8]
VOID = {"meta", "img", "link", "br", "hr", "input"}
NASTY = '<script src="http://example.org/x.js">"&amp;'


class Reader(HTMLParser):
    """Notes what a page holds, and whether its elements close in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


class Attentive:
    """TELEA that says it looked somewhere."""

    name = NASTY
    mask_mode = MaskMode("mosaic", unit=6)
    has_attention = True

    def fill(self, image: Images, mask: Images, return_attention: bool = False) -> Any:
        if return_attention:
            return opencv_inpaint(image, mask, "telea"), np.ones((1, 6, 6, 2), np.int32)
        return np.stack([opencv_inpaint(*pair, "telea") for pair in zip(image, mask, strict=True)])


@pytest.fixture(scope="module")
def photos() -> PhotoSet:
    return open_photos("samples")


@pytest.fixture(scope="module")
def evaluation(photos: PhotoSet) -> Evaluation:
    masks = EvaluationMasks("hole", 6, 48)
    settings = {"models": [{"name": NASTY, "sha256": "ab12", "iteration": 77}], "seed": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("INPAINT_TF_WEIGHTS", raising=False)
        patch.setenv("INPAINT_TF_CACHE", "/nowhere")
        return evaluate([Attentive()], photos, masks, 4, keys=photos.test[:6], settings=settings)


@pytest.fixture(scope="module")
def reader(evaluation: Evaluation) -> Reader:
    return Reader(render_page(evaluation))


def test_every_element_closes_in_order(reader: Reader) -> None:
    assert reader.wrong == []
    assert reader.open == []


def test_nothing_is_loaded_and_no_script_runs(reader: Reader, evaluation: Evaluation) -> None:
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "iframe", "object", "base"}
    for tag, attributes in reader.tags:
        for name in ("src", "href", "srcset", "action", "poster", "background"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, value)
        assert not [name for name in attributes if name.startswith("on")]
    style = re.search(r"<style>(.*?)</style>", render_page(evaluation), re.DOTALL)
    assert style and not re.search(r"url\(|@import|http", style[1])


def test_names_are_text_and_never_markup(reader: Reader) -> None:
    assert NASTY in reader.text
    assert any(NASTY in (attributes.get("alt") or "") for _, attributes in reader.tags)


def test_names_of_photographs_are_text_too(tmp_path: Path) -> None:
    keys = ("<img src=x onerror=alert(1)>.png", "\" onload='x' &amp;.png", "</style><b>.png")
    for key in keys:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(48, dtype=np.uint8) * 255).save(tmp_path / key)
    photos = PhotoSet("folder", tmp_path, keys[:1], keys)
    (tmp_path / keys[1]).write_bytes(b"no picture")
    reader = Reader(render_page(evaluate([Attentive()], photos, EvaluationMasks("hole", 3, 48), 4)))
    assert all(key in reader.text for key in keys)
    assert any(keys[0] in (attributes.get("alt") or "") for _, attributes in reader.tags)
    assert (reader.wrong, reader.open) == ([], [])
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on")]


def test_all_methods_metrics_and_settings_are_there(reader: Reader, evaluation: Evaluation) -> None:
    for method in evaluation.scores:
        assert reader.text.count(method) > len(METRICS)
    for name, metric in METRICS.items():
        assert f"({name})" in reader.text
        assert metric.definition in reader.text
    for value in (evaluation.fingerprint, evaluation.masks_sha256, "ab12", "77", "tensorflow"):
        assert value in reader.text
    mean = evaluation.summaries[NASTY]["mse_hole_255"].mean
    assert f"{mean:.1f}" in reader.text


def test_what_was_not_measured_says_so_and_how_to_get_it(reader: Reader) -> None:
    assert reader.text.count("not measured") >= 2 * 2  # two methods, two columns
    assert "inpaint-tf weights get lpips-alex" in reader.text


def test_pictures_of_all_columns_are_in_the_page(reader: Reader, evaluation: Evaluation) -> None:
    pictures = [attributes["alt"] for tag, attributes in reader.tags if tag == "img"]
    assert len(evaluation.ranked) == 6
    for example in evaluation.ranked:
        for column in ("input (mosaic)", NASTY, "truth", f"attention of {NASTY}"):
            assert f"{column}: {example.key}" in pictures
    assert len(evaluation.ranked) == 6
    assert len(pictures) == 6 * 4 + 6 * 3


def test_a_best_mean_is_marked_in_each_column_that_has_one(reader: Reader) -> None:
    marked = [tag for tag, attributes in reader.tags if attributes.get("class") == "best"]
    measured = [m for name, m in METRICS.items() if not name.startswith("lpips")]
    assert len(marked) == sum(metric.best != "none" for metric in measured)


def test_a_single_photograph_has_no_interval(photos: PhotoSet) -> None:
    masks = EvaluationMasks("center", 1, 32)
    page = render_page(evaluate([Attentive()], photos, masks, 1, keys=photos.test[:1]))
    assert "no interval: fewer than 2" in page


class Sometimes(Attentive):
    """Brings the truth back where it is asked for one photograph by one."""

    name = "sometimes"
    has_attention = False

    def __init__(self) -> None:
        self.calls = 0

    def fill(self, image: Images, mask: Images) -> Images:
        self.calls += 1
        return image if self.calls == 1 else super().fill(image, mask)


def test_a_photograph_that_is_left_out_is_left_out_of_means_and_plots(photos: PhotoSet) -> None:
    masks = EvaluationMasks("center", 3, 32)
    found = evaluate([Sometimes(), Attentive()], photos, masks, 1, keys=photos.test[:3])
    reader = Reader(render_page(found))
    assert "PSNR, hole PSNR: 1 of 3 photographs left out, on which a method is exact" in reader.text
    assert reader.text.count("infinite on 1, left out") == 2
    dots = {"MSE": 3, "PSNR": 2}
    for title, count in dots.items():
        figure = render_page(found).partition(f"<figcaption>{title} <small>")[2]
        for strip in figure.partition("</figure>")[0].split('class="dots" d="')[1:]:
            assert strip.partition('"')[0].count("h0") == count


@pytest.mark.parametrize(
    "scores",
    [[1.0, 2.0, 3.0], [5.0], [], [np.inf, np.nan], [0.001, 40.0], [0.0, 0.0], list(range(1000))],
)
def test_a_plot_survives_any_scores(scores: list[float]) -> None:
    svg = strip_plot({"a": np.array(scores, float), "b": np.array([])}, "a")
    assert Reader(svg).wrong == []
    assert "nan" not in svg and "inf" not in svg
    dots = svg.partition('class="dots" d="')[2].partition('"')[0]
    assert dots.count("h0") == min(np.isfinite(scores).sum(), 400)
    places = [float(x) for x in re.findall(r"M([\d.]+) ", dots)]
    assert all(0 <= place <= 320 for place in places)
