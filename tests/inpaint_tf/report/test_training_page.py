"""The page of a training: every look is on it, and nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from layer_harness import random
from PIL import Image

from inpaint_tf.report.training_page import PANELS, render_training_page
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import Picture


@pytest.fixture
def runs(tmp_path):
    """Two runs of two looks each, as a training leaves them."""
    paths = []
    for name, size in (("a64", 64), ("b128", 128)):
        run = RunFolder.create(tmp_path / name)
        run.write_manifest({"data": {"image_size": size}, "note": "<not markup>"}, {})
        run.images.mkdir(exist_ok=True)
        lines = []
        for iteration in (0, 100):
            pixels = np.full((3 * size, size, 3), iteration, np.uint8)
            write_picture(run.images / f"filled-{iteration:08d}.png", Picture(pixels))
            losses = {panel: 1.0 for group in PANELS for panel in group.split(",")}
            lines.append(json.dumps({"iteration": iteration, **losses}) + "\n")
        run.scalars.write_text("".join(lines))
        truth = (random(3 * size, size, 3) * 20 + 128).astype("uint8")
        write_picture(run.images / "truth.png", Picture(truth))
        paths.append(run.path)
    return paths


def pictures(page):
    """List the pictures of the film: what is below them, and their pixels."""
    found = re.findall(r'<img alt="([^"]+)" src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    return {
        told: np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for told, data in found
    }


def test_every_look_in_order_and_the_truth_last(runs):
    film = pictures(render_training_page(runs))
    assert list(film) == ["a64, 0", "a64, 100", "b128, 0", "b128, 100", "truth"]
    assert {picture.shape for picture in film.values()} == {(3 * 128, 128, 3)}
    assert film["b128, 100"].mean() == pytest.approx(100, abs=2)


def test_needs_nothing_beside_it(runs):
    page = render_training_page(runs)
    sources = re.findall(r'(?:src|href)="([^"]{0,11})', page)
    assert sources and all(source.startswith("data:image") for source in sources)
    assert "<script" not in page
    assert "&lt;not markup&gt;" in page and "<not markup>" not in page


def test_runs_without_pictures_have_curves(runs):
    for run in runs:
        for picture in RunFolder.open(run).images.iterdir():
            picture.unlink()
    page = render_training_page(runs)
    assert pictures(page) == {}
    assert page.count('alt="curves of') == 2


def test_critics_have_curves_of_their_own(runs):
    log = RunFolder.open(runs[1]).scalars
    lines = [{**json.loads(line), "wgan_d": -5.0} for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    curves = re.findall(
        r'curves of \w+" src="data:image/png;base64,([^"]+)', render_training_page(runs)
    )
    without, with_critics = (Image.open(io.BytesIO(base64.b64decode(each))) for each in curves)
    assert with_critics.width * len(PANELS) == without.width * (len(PANELS) + 1)


def test_no_run(tmp_path):
    with pytest.raises(UserError, match="There is no run folder"):
        render_training_page([tmp_path / "missing"])
