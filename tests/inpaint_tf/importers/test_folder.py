"""The folder of an import: what it says, that it loads, and that it is whole or not there."""

from __future__ import annotations

import hashlib
import json

import keras
import numpy as np
import pytest
from layer_harness import random
from weight_files import critic_dict, generator_dict, save_torch

import inpaint_tf
from inpaint_tf.importers.checkpoint import read_checkpoint
from inpaint_tf.importers.folder import check_target, describe, write_folder
from inpaint_tf.models import create, create_critic
from neuralgym_lite.errors import UserError


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("port")
    save_torch(folder / "gen_1.pt", generator_dict(create("ca", width=2)))
    critic = critic_dict(create_critic("global", size=64, width=2))
    save_torch(folder / "dis_1.pt", {"globalD": critic})
    return read_checkpoint(folder / "gen_1.pt", mask="mosaic")


def test_the_models_come_back(imported, tmp_path):
    out = tmp_path / "new" / "model"
    write_folder(out, imported, describe(imported, None, {}))
    expected = {"generator.keras", "global_critic.keras", "MODEL_CARD.md", "model.json"}
    assert {path.name for path in out.iterdir()} == expected
    assert [path.name for path in out.parent.iterdir()] == ["model"]

    inpainter = inpaint_tf.load(out)
    assert inpainter.name == "model"
    image = np.random.default_rng(0).integers(0, 256, (33, 47, 3), "uint8")
    mask = np.zeros((33, 47), "uint8")
    mask[8:20, 8:30] = 1
    filled = inpainter.fill(image, mask)
    assert (filled != image).any(axis=-1).sum() > 100
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])
    np.testing.assert_array_equal(
        inpaint_tf.load(out / "generator.keras").fill(image, mask), filled
    )

    picture = random(1, 64, 64, 3)
    critic = keras.models.load_model(out / "global_critic.keras")
    np.testing.assert_array_equal(critic(picture), imported.critics["global"](picture))


def test_what_it_says(imported, tmp_path):
    facts = describe(imported, "MIT", {"coarse": 1e-6, "refined": 2e-5})
    write_folder(tmp_path / "model", imported, facts)
    assert json.loads((tmp_path / "model" / "model.json").read_text()) == facts
    assert facts["architecture"] == "ca"
    assert facts["width"] == 2
    assert facts["weights"] == imported.generator.count_params()
    assert facts["compat"] == "torch"
    assert facts["mask"]["name"] == "mosaic"
    assert facts["critics"]["global"]["size"] == [64, 64]
    assert facts["source"]["licence"] == "MIT"
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    for path in imported.files:
        assert path.name in card
        assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    words = ("`ca`", "width 2", "`torch`", "`mosaic` (blocks of 12", "MIT", "PyTorch", "2.0e-05")
    assert [word for word in words if word not in card] == []


def test_an_unknown_licence_and_difference(imported, tmp_path):
    facts = describe(imported, None, {})
    assert facts["largest_difference_from_source"] is None
    write_folder(tmp_path / "model", imported, facts)
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert "unknown: ask the author; weights of the 2018 release are CC BY-NC 4.0" in card
    assert "Not known" in card


def test_a_folder_that_is_there(imported, tmp_path):
    (tmp_path / "empty").mkdir()
    check_target(tmp_path / "empty")
    write_folder(tmp_path / "empty", imported, describe(imported, None, {}))
    for taken in (tmp_path / "empty", tmp_path / "empty" / "model.json"):
        with pytest.raises(UserError, match="not an empty folder"):
            check_target(taken)


def test_a_write_that_fails_leaves_nothing(imported, tmp_path, monkeypatch):
    monkeypatch.setattr(type(imported.generator), "save", fail)
    with pytest.raises(UserError, match="model' cannot be written: No space left"):
        write_folder(tmp_path / "model", imported, describe(imported, None, {}))
    assert list(tmp_path.iterdir()) == []


def fail(self, path):
    path.touch()
    raise OSError(28, "No space left on device")
