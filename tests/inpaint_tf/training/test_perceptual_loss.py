"""The perceptual loss: LPIPS of the composited result, with weights that must be there."""

from __future__ import annotations

import keras
import lpips_oracle as oracle
import numpy as np
import pytest

from inpaint_tf.data import open_photos
from inpaint_tf.metrics import lpips_weights
from inpaint_tf.metrics.lpips_weights import MissingWeightsError, digest
from inpaint_tf.training.procedures import load_train_config
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.run import make_trainer, start
from neuralgym_lite.errors import UserError
from neuralgym_lite.pipeline import index_driven

WEIGHTS = oracle.squeeze_weights(8)


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """The folder of the weights, which is empty."""
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INPAINT_TF_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setitem(lpips_weights.SHA256, "lpips-squeeze", digest(WEIGHTS))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def present(weights):
    np.savez(weights / lpips_weights.file_name("lpips-squeeze"), **WEIGHTS)


def settings(size=32, alpha=2.0):
    flags = {"data.dataset": "samples", "data.image_size": size, "model.width": 4, "batch_size": 2}
    flags |= {"model.critic_width": 4, "n_critic": 1, "phases.completion": 2, "iterations": 2}
    return load_train_config(
        None, {**flags, "precision": "float32", "loss.perceptual_alpha": alpha}
    )


def test_it_is_lpips_of_the_composited_result(present):
    keras.utils.set_random_seed(0)
    config = settings()
    trainer = make_trainer(config)
    data = RoundDataset(open_photos("samples"), config).make(0)
    batch = trainer.prepare(data, 0)
    outputs = trainer.generator((batch["masked"], batch["mask"]), training=True)
    total, logs = trainer.reconstruction_loss(batch, outputs)
    fake = np.where(batch["mask"] > 0, outputs["refined"], batch["image"])
    pairs = zip((np.asarray(batch["image"]) + 1) * 127.5, (fake + 1) * 127.5, strict=True)
    maps = [oracle.maps("squeeze", WEIGHTS, *pair) for pair in pairs]
    expected = np.mean([sum(each.mean() for each in pair) for pair in maps])
    np.testing.assert_allclose(logs["lpips"], expected, rtol=1e-4)
    trainer.perceptual = None
    without, _ = trainer.reconstruction_loss(batch, outputs)
    np.testing.assert_allclose(total - without, 2 * expected, rtol=1e-4)


def test_it_trains_the_generator_and_not_itself(present):
    keras.utils.set_random_seed(0)
    config = settings(alpha=1.0)
    trainer = make_trainer(config)
    before = trainer.generator.get_weights()
    rounds = RoundDataset(open_photos("samples"), config)
    history = trainer.fit(
        index_driven(rounds.make, 0, 2), steps_per_epoch=2, shuffle=False, verbose=0
    ).history
    assert np.isfinite(history["lpips"]).all()
    assert all(
        np.any(old != new) for old, new in zip(before, trainer.generator.get_weights(), strict=True)
    )
    for name, array in trainer.perceptual._arrays.items():
        np.testing.assert_array_equal(array, WEIGHTS[name])
    saved = [each for group in trainer.saved_variables().values() for each in group]
    assert not {id(each) for each in trainer.perceptual.variables} & {id(each) for each in saved}


def test_missing_weights_are_named_before_a_run_begins(tmp_path):
    with pytest.raises(MissingWeightsError, match="lpips-squeeze"):
        start(settings(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_small_images_are_refused(present):
    with pytest.raises(UserError, match="31 pixels or more. Received: data.image_size=24"):
        settings(size=24)
