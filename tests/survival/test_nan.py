"""A number that is not finite, wherever it comes from, ends the round it is in, by its name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inpaint_tf.training import preview_callback
from inpaint_tf.training.adversarial import AdversarialTrainer
from inpaint_tf.training.procedures import load_train_config
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.run import start
from inpaint_tf.training.session import train
from inpaint_tf.training.trainer import Trainer
from neuralgym_lite.checkpoint import latest_checkpoint, read_meta
from neuralgym_lite.errors import UserError
from neuralgym_lite.progress import Progress

SMALL = {
    "data": {"dataset": "samples", "image_size": 32},
    "model": {"width": 2, "critic_width": 2},
    "batch_size": 2,
    "n_critic": 1,
    "precision": "float32",
    "iterations": 6,
    "checkpoint_every": 2,
}
AUTOENCODER = {
    "model": {"name": "autoencoder", "width": 2},
    **{name: SMALL[name] for name in SMALL.keys() - {"model", "n_critic"}},
}
CRITIC_LOSSES = {"wgan_d", "wgan_gp", "d_total", "d_norm"}
BAD_ROUND = 2  # counted from 0


def begin(path, settings=SMALL, **changes):
    config = load_train_config(None, {**settings, **changes})
    return start(config, path)


def go(run, config):
    with Progress() as progress:
        return train(run, config, progress)


@pytest.fixture
def poison(monkeypatch):
    """Make a round carry a NaN of its own, which `put` brings where it is wanted."""
    make = RoundDataset.make
    state = {"times": 1}

    def poisoned(self, index):
        made = make(self, index)
        bad = index == BAD_ROUND and state["times"] > 0 and self.config.batch_size == 2
        state["times"] -= bad
        return {**made, "poison": np.full((2, 1), np.nan if bad else 0.0, "float32")}

    monkeypatch.setattr(RoundDataset, "make", poisoned)

    def put(cls, name, change):
        original = getattr(cls, name)
        monkeypatch.setattr(
            cls,
            name,
            lambda self, batch, *rest: change(original(self, batch, *rest), batch["poison"][0]),
        )

    put.state = state
    return put


def in_loss(result, poison):
    loss, logs = result
    return loss + poison, {name: value + poison for name, value in logs.items()}


def in_one_gradient(result, poison):
    gradients, *rest = result
    return ([gradients[0] + poison, *gradients[1:]], *rest)


def in_image(result, poison):
    return {**result, "image": result["image"] + poison}


@pytest.mark.parametrize(
    ("settings", "cls", "name", "change", "scalars"),
    [
        (SMALL, AdversarialTrainer, "critic_loss", in_loss, CRITIC_LOSSES),
        (SMALL, AdversarialTrainer, "generator_loss", in_loss, {"wgan_g", "g_total", "g_norm"}),
        pytest.param(
            *(SMALL, AdversarialTrainer, "reconstruction_loss", in_loss, {"l1", "ae", "loss"}),
            marks=pytest.mark.full,
        ),
        (AUTOENCODER, Trainer, "generator_gradients", in_one_gradient, {"g_norm"}),
        pytest.param(
            *(SMALL, Trainer, "critic_gradients", in_one_gradient, {"d_norm"}),
            marks=pytest.mark.full,
        ),
        (AUTOENCODER, Trainer, "prepare", in_image, {"g_norm", "loss", "mse"}),
    ],
    ids=["critic", "generator", "reconstruction", "gradient", "critic-gradient", "image"],
)
def test_stops_in_its_round_and_says_where(
    tmp_path, poison, request, settings, cls, name, change, scalars
):
    if settings is SMALL:  # whose step takes long to trace
        request.getfixturevalue("eagerly")
    run, config = begin(tmp_path / "run", settings)
    poison(cls, name, change)
    with pytest.raises(UserError) as caught:
        go(run, config)
    text = str(caught.value)
    assert f"At iteration {BAD_ROUND + 1} '" in text
    assert text.split("'")[1] in scalars
    assert "became nan" in text
    assert "`on_nan=rollback`" in text
    assert all(key in text for key in _keys_of_round(config, BAD_ROUND))
    assert latest_checkpoint(run.checkpoints).name == "iteration-00000002"
    numbers = [json.loads(line)["iteration"] for line in run.scalars.read_text().splitlines()]
    assert numbers == list(range(1, BAD_ROUND + 1))


@pytest.mark.parametrize(("every", "back_to"), [(2, 2), (100, 0)], ids=["saved", "beginning"])
def test_goes_back_if_asked_to(tmp_path, poison, capsys, monkeypatch, every, back_to):
    monkeypatch.setattr(preview_callback, "FIRST_PREVIEW", 5)
    run, config = begin(tmp_path / "run", AUTOENCODER, on_nan="rollback", checkpoint_every=every)
    poison(Trainer, "prepare", in_image)
    assert go(run, config)
    told = capsys.readouterr().err
    assert f"Back to iteration {back_to}, with other photographs." in told
    assert "on_nan" not in told
    assert read_meta(latest_checkpoint(run.checkpoints))["order"] == 1
    numbers = [json.loads(line)["iteration"] for line in run.scalars.read_text().splitlines()]
    assert numbers == list(range(1, 7))
    looks = [json.loads(line)["iteration"] for line in run.validation.read_text().splitlines()]
    assert looks == [0, 5, 6]


@pytest.mark.full
def test_goes_back_so_many_times_at_most(tmp_path, poison):
    run, config = begin(tmp_path / "run", on_nan="rollback", max_rollbacks=2)
    poison.state["times"] = 100
    poison(AdversarialTrainer, "critic_loss", in_loss)
    with pytest.raises(UserError, match="It went back 2 times"):
        go(run, config)


def _keys_of_round(config, index):
    from inpaint_tf.data import open_photos

    return RoundDataset(open_photos("samples"), config).keys(index)
