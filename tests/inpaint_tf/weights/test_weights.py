"""Networks that come with the install: whole, as described, better than what stands beside them."""

from __future__ import annotations

from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import inpaint_tf
from inpaint_tf import weights
from inpaint_tf.cli.fill import command as fill
from inpaint_tf.data.samples import open_samples
from inpaint_tf.exporters.card import gather
from inpaint_tf.inference.detail import add_detail
from inpaint_tf.masks import evaluation_masks
from inpaint_tf.training.finetune import open_initial_weights

ROOT = Path(__file__).parents[3]
MOST_BYTES = 9_000_000

every = pytest.mark.parametrize("name", weights.names())


@pytest.fixture(scope="module")
def photographs():
    """Photographs of scikit-image, 128x128, squares of half the side missing in the middle."""
    photos = open_samples()
    images = np.stack([photos.load(key, 128) for key in photos.test])
    return images, evaluation_masks("center", len(images), 128)


def test_the_default_is_there():
    assert weights.DEFAULT in weights.names()


@every
def test_weights_are_those_of_float16(name):
    model = inpaint_tf.load(name).model
    for variable in model.weights:
        values = variable.numpy()
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert np.array_equal(values, values.astype("float16")), variable.path
    assert (weights.locate(name) / weights.GENERATOR_FILE).stat().st_size < MOST_BYTES


@every
def test_fills_better_than_its_input_and_the_classical_methods(name, photographs):
    images, masks = photographs
    inpainter = inpaint_tf.load(name)
    shown = inpainter.model.mask_mode.apply(images, masks)
    shown = np.round(np.asarray(shown) * 127.5 + 127.5).clip(0, 255).astype("uint8")
    errors = {
        each: inpaint_tf.metrics.mse(images, inpaint_tf.load(each).fill(images, masks)).mean()
        for each in (name, "ns", "telea")
    }
    errors["input"] = inpaint_tf.metrics.mse(images, shown).mean()
    assert errors[name] == min(errors.values()), errors


@every
def test_card_says_what_the_facts_say(name):
    facts = weights.facts(name)
    card = (weights.locate(name) / weights.CARD_FILE).read_text(encoding="utf-8")
    assert facts["summary"] in card
    assert facts["licence"] in card
    for stage in facts["history"]:
        assert " ".join(stage["command"]) in card
        assert stage["hours"] > 0
    for metric in facts["evaluation"]["methods"][name].values():
        assert f"{metric['mean']:.4g} [{metric['low']:.4g}, {metric['high']:.4g}]" in card
    assert {"ns", "telea"} < set(facts["evaluation"]["methods"])


@every
def test_nothing_names_the_machine_that_trained(name):
    for file in (weights.FACTS_FILE, weights.CARD_FILE):
        text = (weights.locate(name) / file).read_text(encoding="utf-8")
        assert not any(word.startswith("/") for word in text.replace('"', " ").split())


@every
def test_reports_and_exports_know_where_it_comes_from(name):
    inpainter = inpaint_tf.load(name)
    assert inpainter.provenance()["source"] == inpainter.name == name
    facts = gather(inpainter)
    stages = weights.facts(name)["history"]
    assert facts.training.iterations == sum(stage["iterations"] for stage in stages)
    assert facts.training.photographs > 0
    assert facts.network["mask"] == inpainter.mask_mode.get_config()


@every
def test_can_be_finetuned(name):
    parent = open_initial_weights(name)
    assert str(parent.source) == name
    assert parent.settings["mask.mode"] == weights.facts(name)["mask mode"]


def test_detail_is_a_part_of_what_ships(photographs):
    image, mask = photographs[0][0], photographs[1][0]
    plain = inpaint_tf.load("ca-photos", detail=False).fill(image, mask)
    detailed = inpaint_tf.load("ca-photos").fill(image, mask)
    np.testing.assert_array_equal(detailed, add_detail(plain, mask[..., 0]))
    assert not np.array_equal(detailed, plain)
    for other in ("ca-mosaic", "telea"):
        assert not inpaint_tf.load(other).detail
        assert inpaint_tf.load(other, detail=True).detail
    rows = weights.facts("ca-photos")["evaluation"]["methods"]
    assert "ca-photos, without detail" in rows


@pytest.mark.parametrize("color", [(255, 255, 255), (200, 60, 60), (0, 0, 0)])
def test_flat_backgrounds_stay_flat(color):
    """Where the network alone leaves dark blobs; a hole is no worse than a larger one."""
    inpainter = inpaint_tf.load("ca-photos")
    image = np.full((350, 500, 3), color, np.uint8)
    means = []
    for side in (75, 100, 125, 150, 280):
        mask = np.zeros((350, 500), np.uint8)
        mask[30 : 30 + side, 90 : 90 + side] = 1
        error = np.abs(inpainter.fill(image, mask).astype(int) - image)[mask == 1]
        means.append(error.mean())
        assert error.max() <= 12
    assert max(means) <= 1


def test_a_mosaic_is_not_continued_from_its_surroundings():
    """It shows that there is something on the flat background."""
    image = np.full((128, 128, 3), 230, np.uint8)
    image[40:88, 40:88] = 40
    mask = np.zeros((128, 128), np.uint8)
    mask[24:104, 24:104] = 1
    filled = inpaint_tf.load("ca-mosaic", detail=True).fill(image, mask)
    assert filled[52:76, 52:76].mean() < 100


def test_wide_holes_are_reduced_to_those_of_the_training():
    assert inpaint_tf.load("ca-photos").coarse_size.trained_hole == 128
    assert inpaint_tf.load("ca-mosaic").coarse_size.trained_hole is None
    assert inpaint_tf.load(weights.locate("ca-photos")).coarse_size.trained_hole is None


def test_fill_needs_no_model(tmp_path, photographs):
    images, masks = photographs
    Image.fromarray(images[0, :101]).save(tmp_path / "photo.png")
    Image.fromarray(masks[0, :101, :, 0] * np.uint8(255)).save(tmp_path / "mask.png")
    arguments = ["photo.png", "--mask", "mask.png", "--out", "out"]
    paths = [a if a.startswith("--") else str(tmp_path / a) for a in arguments]
    result = CliRunner().invoke(fill, paths, catch_exceptions=False)
    assert result.exit_code == 0
    filled = np.asarray(Image.open(tmp_path / "out" / "photo.png"))
    expected = inpaint_tf.load(weights.DEFAULT).fill(images[0, :101], masks[0, :101])
    assert np.array_equal(filled, expected)


def test_a_path_is_not_a_name(tmp_path, monkeypatch):
    """A folder of one's own is not mistaken for a network, nor the other way round."""
    monkeypatch.chdir(tmp_path)
    assert weights.locate("runs/ca-photos").parts == ("runs", "ca-photos")
    assert weights.locate("unknown").parts == ("unknown",)
    assert weights.locate(weights.DEFAULT).is_absolute()


def test_they_are_in_what_is_installed():
    """What `setup.cfg` says goes into the wheel has every file of them."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = config["options.package_data"]["inpaint_tf"].replace(",", " ").split()
    package = Path(inpaint_tf.__file__).parent
    for name in weights.names():
        for file in weights.locate(name).iterdir():
            path = file.relative_to(package).as_posix()
            assert any(fnmatch(path, pattern) for pattern in patterns), path
