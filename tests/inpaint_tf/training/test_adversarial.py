from __future__ import annotations

import contextlib

import keras
import numpy as np
import pytest

from inpaint_tf.data import open_photos
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.run import make_trainer
from neuralgym_lite.averaging import WARM_UP
from neuralgym_lite.config import load_config
from neuralgym_lite.pipeline import index_driven

ROUNDS = 5


# Much below it Adam makes whole steps of gradients that are nothing but rounding errors.
EPSILON = 1e-4


def small_config(**changes):
    settings = {
        "data": {"dataset": "samples", "image_size": 32},
        "model": {"width": 4, "critic_width": 4},
        "batch_size": 4,
        "n_critic": 2,
        "precision": "float32",
        "optimizer": {"epsilon": EPSILON},
    }
    return load_config(TrainConfig, flags={**settings, **changes})


class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.rounds = []

    def on_train_batch_end(self, batch, logs=None):
        self.rounds.append({name: float(value) for name, value in logs.items()})


class Weights(keras.callbacks.Callback):
    """Keeps the generator's weights after every round."""

    def __init__(self):
        super().__init__()
        self.rounds = []

    def on_train_batch_end(self, batch, logs=None):
        self.rounds.append(self.model.generator.get_weights())


def trained(config, strategy=None, *callbacks, rounds=ROUNDS):
    with strategy.scope() if strategy else contextlib.nullcontext():
        trainer = make_trainer(config)
    before = trainer.get_weights()
    maker = RoundDataset(open_photos("samples"), config)
    losses = Losses()
    trainer.fit(
        index_driven(maker.make, 0, rounds),
        steps_per_epoch=rounds,
        shuffle=False,
        verbose=0,
        callbacks=[losses, *callbacks],
    )
    return losses.rounds, before, trainer


@pytest.fixture(scope="module")
def single():
    return trained(small_config())


def trained_with_average(strategy=None):
    """Return rounds of a training that keeps an average, the weights after each, the trainer."""
    weights = Weights()
    config = small_config(optimizer={"averaging": 0.2, "epsilon": EPSILON})
    rounds, _, trainer = trained(config, strategy, weights)
    return rounds, weights.rounds, trainer


@pytest.fixture(scope="module")
def alone():
    return trained_with_average()


@pytest.fixture(scope="module")
def averaged(two_replicas):
    return trained_with_average(two_replicas)


# ------------------------------------------------------------------------------------------ parity


def test_two_replicas_equal_one(single, averaged):
    """Nor does training notice that an average is kept."""
    rounds, _, trainer = averaged
    assert trainer.distribute_strategy.num_replicas_in_sync == 2
    for ours, theirs in zip(rounds, single[0], strict=True):
        for name in theirs.keys() - {"g_norm", "d_norm", "output_std"}:  # of a replica each
            assert ours[name] == pytest.approx(theirs[name], rel=1e-5, abs=1e-6), name
    for ours, theirs in zip(trainer.get_weights(), single[2].get_weights(), strict=True):
        assert np.linalg.norm(ours - theirs) <= 1e-5 * np.linalg.norm(theirs) + 1e-7


def test_average_of_weights(alone, averaged):
    """It is that of the formula, on one replica and on two."""
    for _, weights, trainer in (alone, averaged):
        assert_average(weights, trainer)


def assert_average(weights, trainer):
    expected = [np.zeros(each.shape) for each in weights[0]]
    for count, latest in enumerate(weights):
        share = min(0.2, count / (count + WARM_UP))
        pairs = zip(expected, latest, strict=True)
        expected = [share * average + (1 - share) * weight for average, weight in pairs]
    with trainer.averaged():
        found = trainer.generator.get_weights()
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for ours, last in zip(trainer.generator.get_weights(), weights[-1], strict=True):
        np.testing.assert_array_equal(ours, last)
    assert not np.array_equal(found[0], weights[-1][0])


def test_nothing_is_averaged_before_the_first_update():
    trainer = make_trainer(small_config(optimizer={"averaging": 0.2}))
    before = trainer.generator.get_weights()
    with trainer.averaged():
        for ours, theirs in zip(trainer.generator.get_weights(), before, strict=True):
            np.testing.assert_array_equal(ours, theirs)


# ------------------------------------------------------------------------------------- determinism


def test_same_seed_gives_the_same_bits(single, alone):
    """Nor does training notice that an average is kept."""
    rounds, _, trainer = alone
    assert rounds == single[0]
    for ours, theirs in zip(trainer.get_weights(), single[2].get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_other_seed_gives_other_weights_and_photographs(single):
    other = small_config(seed=1)
    weights = make_trainer(other).get_weights()
    for ours, theirs in zip(weights, single[1], strict=True):
        assert not ours.any() or not np.array_equal(ours, theirs)  # biases are zero
    assert sum(ours.any() for ours in weights) > 50
    first, second = (
        RoundDataset(open_photos("samples"), config).make(0) for config in (small_config(), other)
    )
    for name in ("image", "mask", "box"):
        assert not np.array_equal(first[name], second[name])


# ----------------------------------------------------------------------------------------- updates


def test_every_weight_moves(single):
    _, before, trainer = single
    after = trainer.get_weights()
    names = [variable.path for variable in trainer.weights]
    still = [n for n, a, b in zip(names, before, after, strict=True) if np.array_equal(a, b)]
    # A critic's last bias cancels out of real - fake.
    assert still == ["linear/bias"] * 2


def test_coarse_network_alone(eagerly):
    """It learns by itself where the refined picture has no weight, whatever the optimizer."""
    config = small_config(
        loss={"refined_l1_alpha": 0}, phases={"completion": 100}, optimizer={"name": "muon"}
    )
    after = trained(config, rounds=1)[2].generator
    before = make_trainer(config).generator  # of the same seed
    for part, moved in (("coarse", True), ("refinement", False)):
        ours, theirs = (getattr(each, part).get_weights() for each in (after, before))
        assert {not np.array_equal(*pair) for pair in zip(ours, theirs, strict=True)} == {moved}


def test_updates_are_counted(single):
    trainer = single[2]
    assert int(trainer.optimizer.iterations.numpy()) == ROUNDS
    assert int(trainer.critic_optimizer.iterations.numpy()) == ROUNDS * trainer.n_critic


def test_paper_defaults():
    config = TrainConfig()
    loss = config.loss
    assert config.optimizer.model_dump() == {
        "name": "adam",
        "learning_rate": 1e-4,
        "critic_learning_rate": None,
        "decay": "none",
        "beta_1": 0.5,
        "beta_2": 0.9,
        "epsilon": 1e-8,
        "clip_norm": None,
        "averaging": None,
    }
    assert (config.n_critic, config.batch_size, config.mask.mosaic_unit_size) == (5, 64, 12)
    assert (loss.coarse_l1_alpha, loss.l1_loss_alpha, loss.ae_loss_alpha) == (1.2, 1.2, 1.2)
    assert loss.refined_l1_alpha == 1.0
    assert (loss.global_wgan_loss_alpha, loss.gan_loss_alpha) == (1.0, 0.001)
    assert (loss.wgan_gp_lambda, loss.spatial_discount_gamma) == (10.0, 0.9)
    shape = config.mask.make_shape(config.data.image_size)
    assert (shape.height, shape.width, shape.max_delta, shape.margin) == (128, 128, 32, 0)
