"""Every procedure: two replicas, determinism, what is updated when, and its settings."""

from __future__ import annotations

import contextlib
import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from inpaint_tf.data import open_photos
from inpaint_tf.models.registry import MODELS
from inpaint_tf.training import session
from inpaint_tf.training.adversarial import AdversarialTrainer
from inpaint_tf.training.config import MODEL_CONFIGS
from inpaint_tf.training.glcic import GLCICTrainer
from inpaint_tf.training.optimizers import count_updates
from inpaint_tf.training.procedures import TRAINERS, load_train_config
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.run import make_trainer, resolve, resume
from inpaint_tf.training.run import start as start_run
from neuralgym_lite.config import Config
from neuralgym_lite.errors import UserError
from neuralgym_lite.muon import ConvMuon
from neuralgym_lite.pipeline import index_driven
from neuralgym_lite.progress import Progress

ROUNDS = 5
NEW = sorted(set(TRAINERS) - {"ca"})  # test_adversarial.py has contextual attention
# TensorFlow traces the batch norms of glcic for long; stable-glcic has the trainer of ca.
SLOW_LAST = [
    "autoencoder",
    "context-encoder",
    *(pytest.param(name, marks=pytest.mark.full) for name in ("glcic", "stable-glcic")),
]
# Its discriminator normalises maps of one pixel, over four numbers: that amplifies rounding errors,
# of which Adam makes whole steps.
TOLERANCE = {"glcic": 1e-3}
# Means over replicas of what is no mean over photographs.
OF_A_REPLICA = {"g_norm", "d_norm", "output_std"}


def small_config(model, **changes):
    critics = {} if model == "autoencoder" else {"critic_width": 4}
    flags = {
        "data": {"dataset": "samples", "image_size": 32},
        "mask": {"color": "grey"},
        "model": {"name": model, "width": 4, **critics},
        "batch_size": 4,
        "n_critic": 1,
        "precision": "float32",
        # Adadelta turns the rounding errors of a gradient that should be zero into whole steps, and
        # so does Adam with a smaller epsilon.
        "optimizer": {"name": "adam", "learning_rate": 1e-4, "epsilon": 1e-4},
        **changes,
    }
    return load_train_config(None, flags)


class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.rounds = []

    def on_train_batch_end(self, batch, logs=None):
        self.rounds.append({name: float(value) for name, value in logs.items()})


def trained(model, strategy=None):
    """Train all networks, whatever phase that is; return losses, weights before, trainer."""
    config = small_config(model)
    with strategy.scope() if strategy else contextlib.nullcontext():
        trainer = make_trainer(config)
    trainer.enter(trainer.phases(config)[-1])
    before = trainer.get_weights()
    return fit(trainer, config, range(ROUNDS)), before, trainer


def fit(trainer, config, rounds):
    losses = Losses()
    maker = RoundDataset(open_photos("samples"), config)
    data = index_driven(maker.make, rounds.start, rounds.stop)
    trainer.fit(data, steps_per_epoch=len(rounds), shuffle=False, verbose=0, callbacks=[losses])
    return losses.rounds


@functools.cache
def single(model):
    rounds, before, trainer = trained(model)
    return rounds, before, trainer.get_weights(), trainer


def differ(one, other):
    """Return the indices of the weights that are not the same bits."""
    return {i for i, pair in enumerate(zip(one, other, strict=True)) if not np.array_equal(*pair)}


# ------------------------------------------------------------------------------------------ parity


@pytest.mark.parametrize("model", SLOW_LAST)
def test_two_replicas_equal_one(model, two_replicas):
    rounds, _, trainer = trained(model, two_replicas)
    assert trainer.distribute_strategy.num_replicas_in_sync == 2
    expected, before, weights, _ = single(model)
    tolerance = TOLERANCE.get(model, 1e-5)
    for ours, theirs in zip(rounds, expected, strict=True):
        for name in theirs.keys() - OF_A_REPLICA:
            assert ours[name] == pytest.approx(theirs[name], rel=tolerance, abs=1e-6), name
    pairs = zip(trainer.weights, trainer.get_weights(), weights, before, strict=True)
    for variable, ours, theirs, start in pairs:
        # A bias before a batch normalisation has no gradient but rounding errors.
        if not re.search("conv/bias|moving_mean", variable.path):
            moved = np.linalg.norm(theirs - start)
            assert np.linalg.norm(ours - theirs) <= 200 * tolerance * moved + 1e-6, variable.path


def test_replicas_have_equal_shares(two_replicas, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "make_strategy", lambda name: two_replicas)
    config = small_config("autoencoder", batch_size=3, strategy="mirrored")
    run, config = start_run(config, tmp_path)
    refused = pytest.raises(UserError, match="'mirrored' has 2 replicas.* of batch_size=3")
    with Progress() as progress, refused:
        session.train(run, config, progress)


def test_every_model_has_a_procedure():
    assert TRAINERS.keys() == MODEL_CONFIGS.keys() == MODELS.keys()


# ------------------------------------------------------------------------------------- determinism


@pytest.mark.parametrize("model", SLOW_LAST)
def test_same_seed_gives_the_same_bits(model):
    rounds, _, trainer = trained(model)
    assert rounds == single(model)[0]
    assert differ(trainer.get_weights(), single(model)[2]) == set()


# ----------------------------------------------------------------------------------------- updates


@pytest.mark.parametrize("model", NEW)
def test_every_weight_moves(model):
    _, before, after, trainer = single(model)
    still = set(range(len(before))) - differ(before, after)
    # Batch normalisation takes a bias before it away; a critic's last one cancels out.
    assert {trainer.weights[i].path.split("/")[-1] for i in still} <= {"bias"}


@pytest.mark.parametrize("model", NEW)
def test_loss_falls(model):
    rounds, _, _, trainer = single(model)
    trainer.optimizer.learning_rate = 2e-3
    more = fit(trainer, small_config(model), range(ROUNDS, 60))
    losses = [logs["loss"] for logs in rounds + more]
    assert np.mean(losses[-15:]) < 0.9 * np.mean(losses[:15])


def test_phases_of_glcic(eagerly):
    config = small_config("glcic", iterations=100, phases={"completion": 40, "discriminator": 10})
    trainer = make_trainer(config)
    phases = trainer.phases(config)
    assert [phase.stop for phase in phases] == [40, 50, 100]
    moved = []
    for phase in phases:
        trainer.enter(phase)
        before = [network.get_weights() for network in (trainer.generator, trainer.critic)]
        (logs,) = fit(trainer, config, range(1))
        after = [network.get_weights() for network in (trainer.generator, trainer.critic)]
        moved.append(
            (*(bool(differ(*pair)) for pair in zip(before, after, strict=True)), set(logs))
        )
    completion = {"mse", "loss", "g_total", "g_norm", "output_std"}
    alone = {"bce_d", "d_total", "d_norm"}
    assert moved[0] == (True, False, completion)
    assert moved[1] == (False, True, alone)
    assert moved[2] == (True, True, completion | alone | {"bce_g"})


def test_default_phases_are_those_of_the_paper():
    config = small_config("glcic")
    assert config.iterations == 500_000
    stops = [phase.stop for phase in GLCICTrainer.phases(config)]
    assert stops == [90_000, 100_000, 500_000]


def test_short_runs_have_short_phases():
    config = small_config("glcic", phases={"completion": 90, "discriminator": 20})
    assert config.phases.stops(100, (0.5, 0.5)) == (90, 100)
    assert config.phases.stops(50, (0.5, 0.5)) == (50, 50)


def test_phases_stay_when_a_run_is_made_longer():
    short = resolve(small_config("glcic", iterations=100))
    assert short.phases.model_dump() == {"completion": 18, "discriminator": 2}
    longer = short.model_copy(update={"iterations": 1000})
    assert [phase.stop for phase in GLCICTrainer.phases(longer)] == [18, 20, 1000]


def test_a_network_with_critics_can_learn_alone_first(eagerly):
    config = small_config("ca", iterations=6, phases={"completion": 4})
    trainer = make_trainer(config)
    alone, both = trainer.phases(config)
    assert (alone.stop, alone.trains_critics, both.stop, both.trains_critics) == (4, False, 6, True)
    critics = [critic.get_weights() for critic in trainer.critics.values()]
    (logs,) = fit(trainer, config, range(1))
    assert not {"wgan_g", "wgan_d", "wgan_gp"} & set(logs)
    for before, critic in zip(critics, trainer.critics.values(), strict=True):
        assert not differ(before, critic.get_weights())
    trainer.enter(both)
    assert {"wgan_g", "wgan_d", "wgan_gp"} <= set(fit(trainer, config, range(1, 2))[0])


def test_learning_rates_fall_to_zero_at_the_last_update_of_each_network(eagerly):
    changes = {"iterations": 9, "phases": {"completion": 3, "discriminator": 2}, "n_critic": 2}
    config = small_config("context-encoder", optimizer={"decay": "cosine"}, **changes)
    trainer = make_trainer(config)
    optimizers = (trainer.optimizer, trainer.critic_optimizer)
    for phase, rounds in zip(trainer.phases(config), ((0, 1), (1, 2), (2, 4)), strict=True):
        assert all(float(each.learning_rate) > 1e-6 for each in optimizers)
        trainer.enter(phase)
        fit(trainer, config, range(*rounds))
    assert [int(each.iterations) for each in optimizers] == [3, 6]
    assert [float(each.learning_rate) for each in optimizers] == [0, 0]


def test_phases_that_are_the_whole_run_change_no_learning_rate():
    config = small_config("ca", iterations=1200, phases={"completion": 1200})
    assert count_updates(config) == (1200, 0)
    assert count_updates(small_config("ca", iterations=1200, n_critic=5)) == (240, 1200)


def test_a_run_whose_learning_rate_falls_is_not_made_longer(tmp_path):
    optimizer = {"learning_rate": 1e-4, "decay": "cosine"}
    start_run(small_config("autoencoder", iterations=4, optimizer=optimizer), tmp_path)
    with pytest.raises(UserError, match="has iterations=4, and its learning rate falls to zero"):
        resume(tmp_path, {"iterations": 5}, ())
    assert resume(tmp_path, {"preview_every": 5}, ())[1].preview_every == 5


def test_a_resumed_run_is_checked_with_its_own_settings(tmp_path):
    start_run(small_config("autoencoder", iterations=4), tmp_path)
    with pytest.raises(UserError, match="n_critic must be 1. Received: 2"):
        resume(tmp_path, {"n_critic": 2}, (), force=True)


def test_a_run_without_shares_is_one_phase():
    assert [phase.stop for phase in AdversarialTrainer.phases(small_config("ca"))] == [150_000]


def test_gradients_are_clipped_by_their_norm_over_all_weights():
    config = small_config("ca", optimizer={"clip_norm": 0.5})
    trainer = make_trainer(config)
    optimizer = trainer.optimizer
    gradients = [tf.ones_like(each) for each in trainer.generator.trainable_variables]
    clipped = optimizer._clip_gradients(gradients)
    assert float(tf.linalg.global_norm(clipped)) == pytest.approx(0.5, rel=1e-5)
    assert trainer.critic_optimizer.global_clipnorm == 0.5


def test_replicas_clip_their_share(two_replicas):
    with two_replicas.scope():
        trainer = make_trainer(small_config("ca", optimizer={"clip_norm": 0.5}))
    assert trainer.optimizer.global_clipnorm == 0.25


def test_muon_is_for_the_generator():
    trainer = make_trainer(small_config("ca", optimizer={"name": "muon", "beta_1": 0.7}))
    assert isinstance(trainer.optimizer, ConvMuon)
    assert trainer.optimizer.beta_1 == 0.7
    assert type(trainer.critic_optimizer) is keras.optimizers.Adam


@pytest.mark.parametrize(
    ("model", "count"),
    [("ca", 0), ("autoencoder", 4), ("context-encoder", 4), ("glcic", 2), ("stable-glcic", 0)],
)
def test_muon_knows_which_kernels_are_transposed(model, count):
    trainer = make_trainer(small_config(model, optimizer={"name": "muon"}))
    kernels = {each.path: each.shape for each in trainer.generator.trainable_variables}
    found = [kernels[path] for path in trainer.optimizer.transposed]
    assert len(found) == count
    assert all(len(shape) == 4 for shape in found)


def test_a_phase_of_critics_needs_critics():
    with pytest.raises(UserError, match="phases.discriminator must be 0. Received: 3"):
        load_train_config(None, {"model.name": "autoencoder", "phases.discriminator": 3})


def test_real_box_is_not_the_hole():
    config = small_config("glcic", mask={"color": "grey", "same_box": False})
    made = RoundDataset(open_photos("samples"), config).make(0)
    assert made["real_box"].shape == made["box"].shape == (4, 1, 4)
    assert np.any(made["real_box"] != made["box"])


# ---------------------------------------------------------------------------------------- settings


def test_settings_of_a_model_stand_below_what_is_given():
    config = load_train_config(None, {"model.name": "glcic", "batch_size": 3})
    assert (config.optimizer.name, config.n_critic, config.model.width) == ("adadelta", 1, 64)
    assert config.batch_size == 3
    config = load_train_config(None, {"model.name": "glcic"}, ["optimizer.name=adam"])
    assert config.optimizer.name == "adam"


def test_critics_may_learn_at_their_own_rate():
    flags = {"model.name": "context-encoder", "model.width": 4, "data.image_size": 32}
    trainer = make_trainer(load_train_config(None, flags))
    rates = [float(each.learning_rate) for each in (trainer.optimizer, trainer.critic_optimizer)]
    assert rates == pytest.approx([2e-3, 2e-4])


# ----------------------------------------------------------------------------------------- refusal


def test_unknown_model():
    with pytest.raises(UserError, match="Unknown model: 'gclic'.*'glcic'"):
        load_train_config(None, {"model.name": "gclic"})


def test_rounds_without_critics():
    with pytest.raises(UserError, match="'autoencoder' is trained without critics.*: 5"):
        load_train_config(None, {"model.name": "autoencoder", "n_critic": 5})


def test_less_than_a_round():
    with pytest.raises(UserError, match="n_critic=5.*iterations=4"):
        load_train_config(None, {"iterations": 4})


def test_size_that_the_model_cannot_take():
    with pytest.raises(UserError, match="multiples of 16 pixels.*image_size=40"):
        load_train_config(None, {"model.name": "autoencoder", "data.image_size": 40})


def test_mean_color_must_be_known():
    config = load_train_config(None, {"model.name": "glcic", "data.image_size": 32})
    with pytest.raises(UserError, match="mean color"):
        make_trainer(config)


def numbers_of(cls, prefix=""):
    """Yield the dotted key of every number among the settings."""
    for name, field in cls.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
            yield from numbers_of(field.annotation, f"{prefix}{name}.")
        elif "int" in str(field.annotation) or "float" in str(field.annotation):
            yield f"{prefix}{name}"


@pytest.mark.parametrize("model", MODEL_CONFIGS)
def test_every_number_has_an_end(model):
    keys = list(numbers_of(MODEL_CONFIGS[model]))
    assert {"data.image_size", "n_critic", "mask.color", "phases.completion"} < set(keys)
    for key in keys:
        for absurd in ("100000000000", "1" + "0" * 29, "1e300"):
            value = f"[{absurd}, 0, 0]" if key == "mask.color" else absurd
            with pytest.raises(UserError, match=rf"'{key}.*Received: .*1") as caught:
                load_train_config(None, {"model.name": model}, [f"{key}={value}"])
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["batch_size=65536", "data.image_size=4096"], "batch_size=65536.*5,497,558,138,880 pix"),
        (["n_critic=100", "batch_size=64", "data.image_size=2048"], "n_critic=100 batches"),
        (
            ["model.name=context-encoder", "data.image_size=8192", "batch_size=1"],
            "model.width=64 and data.image_size=8192 has .* weights or more",
        ),
    ],
)
def test_numbers_that_are_too_large_together(overrides, words):
    with pytest.raises(UserError, match=words):
        load_train_config(None, {}, overrides)
