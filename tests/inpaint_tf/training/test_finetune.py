"""A run that starts from other weights: which are taken, what is recorded, what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import inpaint_tf
from inpaint_tf.models import create, create_critic
from inpaint_tf.training.checkpoints import Checkpoints
from inpaint_tf.training.finetune import open_initial_weights, start_from
from inpaint_tf.training.procedures import load_train_config
from inpaint_tf.training.run import load_trainer, make_trainer, start
from inpaint_tf.training.session import train
from neuralgym_lite.errors import UserError
from neuralgym_lite.progress import Progress

SMALL = {
    "data": {"dataset": "samples", "image_size": 32},
    "model": {"width": 4, "critic_width": 4},
    "mask": {"mode": "mosaic", "mosaic_unit_size": 5},
    "batch_size": 2,
    "n_critic": 1,
    "precision": "float32",
    "iterations": 2,
    "optimizer": {"averaging": 0.9},
}


pytestmark = pytest.mark.usefixtures("eager_module")


@pytest.fixture(scope="module")
def parent_run(eager_module, tmp_path_factory):
    config = load_train_config(None, SMALL)
    run, config = start(config, tmp_path_factory.mktemp("runs") / "parent")
    with Progress() as progress:
        assert train(run, config, progress)
    return run


def settings(parent, *overrides, **flags):
    return load_train_config(None, {"data.dataset": "samples", **flags}, overrides, parent.settings)


def weights(*networks):
    return [weight for network in networks for weight in network.get_weights()]


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------------------------------- parity


def test_starts_where_the_parent_is(parent_run, tmp_path):
    parent = open_initial_weights(parent_run.path)
    run, config = start_from(parent, settings(parent, **{"iterations": 1}), tmp_path / "child")
    trainer, _, iteration = load_trainer(run)
    assert iteration == 0
    theirs = load_trainer(parent_run)[0]
    assert trainer.average is not None
    assert_equal(trainer.get_weights(), theirs.get_weights())
    assert_equal(weights(parent.generator), weights(inpaint_tf.load(parent_run.path).model))
    for optimizer in (trainer.optimizer, trainer.critic_optimizer):
        slots = [np.asarray(variable) for variable in optimizer.variables[2:]]
        assert not any(slot.any() for slot in slots)
    with Progress() as progress:
        assert train(run, config, progress)
    lines = [json.loads(line) for line in run.validation.read_text().splitlines()]
    last = json.loads(parent_run.validation.read_text().splitlines()[-1])
    assert [line["iteration"] for line in lines] == [0, 1]
    assert lines[0]["val_loss"] == pytest.approx(last["val_loss"], rel=1e-5)
    assert lines[1]["val_loss"] != lines[0]["val_loss"]


def test_settings_are_the_parents_but_for_the_photographs(parent_run):
    parent = open_initial_weights(parent_run.path)
    config = load_train_config(None, {}, ["optimizer.learning_rate=1e-5"], parent.settings)
    assert (config.model.width, config.mask.mosaic_unit_size, config.batch_size) == (4, 5, 2)
    assert config.optimizer.learning_rate == 1e-5
    assert (config.data.dataset, config.data.image_size) == ("animals", 32)


def test_phases_are_the_parents_past(tmp_path):
    glcic = {**SMALL["model"], "name": "glcic"}
    config = load_train_config(None, {**SMALL, "model": glcic, "mask": {"color": "grey"}})
    run, config = start(config.model_copy(update={"iterations": 50}), tmp_path)
    assert (config.phases.completion, config.phases.discriminator) == (9, 1)
    trainer = make_trainer(config)
    Checkpoints(run, trainer, config).save(50)
    parent = open_initial_weights(tmp_path)
    (phase,) = trainer.phases(settings(parent, **{"iterations": 8}))
    assert phase == (8, True, True)
    again = trainer.phases(settings(parent, "phases.completion=2", **{"iterations": 8}))
    assert [phase.stop for phase in again] == [2, 8]


def test_manifest_names_the_parent(parent_run, tmp_path):
    parent = open_initial_weights(parent_run.path)
    records = []
    for given in (parent, replace(parent, critics={})):
        run, _ = start_from(given, settings(parent), tmp_path / str(len(given.critics)))
        records.append(run.read_manifest()["parent"])
    assert records[0]["source"] == str(parent_run.path)
    assert records[0]["iteration"] == 2
    assert len(records[0]["generator_sha256"]) == 64
    assert records[0]["critics"] == ["global_critic", "local_critic"]
    assert records[0]["critics_source"] == str(parent_run.path)
    assert records[1] == {**records[0], "critics": [], "critics_source": None}


def test_a_run_without_its_parents_weights_is_not_begun(parent_run, tmp_path):
    parent = open_initial_weights(parent_run.path)
    run, config = start_from(parent, settings(parent), tmp_path / "child")
    shutil.rmtree(run.checkpoints / "iteration-00000000")
    with pytest.raises(UserError, match="no checkpoint with the weights of"):
        Checkpoints(run, make_trainer(config), config).restore(print)


def test_generator_only(parent_run, tmp_path):
    parent = open_initial_weights(parent_run.path)
    config = settings(parent, "model.critic_width=3")
    run, _ = start_from(replace(parent, critics={}), config, tmp_path / "child")
    trainer, _, _ = load_trainer(run)
    assert_equal(weights(trainer.generator), weights(parent.generator))
    fresh = make_trainer(config)
    assert_equal(weights(*trainer.critics.values()), weights(*fresh.critics.values()))


def test_critics_of_another_run(parent_run, tmp_path):
    create("ca", width=4, mask_mode="mosaic").save(tmp_path / "model.keras")
    alone = open_initial_weights(tmp_path / "model.keras")
    parent = alone.with_critics_of(parent_run.path)
    config = settings(parent, **SMALL)
    run, _ = start_from(parent, config, tmp_path / "child")
    trainer, _, _ = load_trainer(run)
    theirs = load_trainer(parent_run)[0]
    assert_equal(weights(trainer.generator), weights(alone.generator))
    assert_equal(weights(*trainer.critics.values()), weights(*theirs.critics.values()))
    assert run.read_manifest()["parent"]["critics_source"] == str(parent_run.path)
    with pytest.raises(UserError, match=r"model.keras' has no critics. Give a run"):
        parent.with_critics_of(tmp_path / "model.keras")


# --------------------------------------------------------------------------------- what has no run


@pytest.mark.parametrize("name", ["ca", "stable-glcic", "glcic", "context-encoder", "autoencoder"])
def test_saved_model(tmp_path, name):
    options = {"image_size": 32} if name == "context-encoder" else {}
    mode = {"name": "hole", "color": [1, 2, 3]}
    model = create(name, width=4, mask_mode=mode, dtype="float32", **options)
    model.save(tmp_path / "model.keras")
    parent = open_initial_weights(tmp_path / "model.keras")
    flags = {key: SMALL[key] for key in ("batch_size", "precision")}
    flags |= {"data.image_size": 32}
    flags |= {} if name == "autoencoder" else {"model.critic_width": 4}
    config = settings(parent, **flags)
    assert config.mask.color == (1, 2, 3)
    run, _ = start_from(parent, config, tmp_path / "run")
    assert_equal(weights(load_trainer(run)[0].generator), weights(model))


def test_twice_as_wide(parent_run, tmp_path):
    parent = open_initial_weights(parent_run.path)
    wider = settings(parent, **{"model.width": 8})
    run, config = start_from(replace(parent, critics={}), wider, tmp_path / "child")
    assert config.model.width == 8
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3)).astype(np.uint8)
    mask = np.zeros((64, 48), np.uint8)
    mask[20:40, 10:30] = 1
    ours, theirs = (inpaint_tf.load(run_.path).fill(image, mask) for run_ in (run, parent_run))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_wiring_is_kept(tmp_path):
    model = create("stable-glcic", width=4, wiring="paper-code", compat="torch")
    model.save(tmp_path / "model.keras")
    config = settings(open_initial_weights(tmp_path / "model.keras"))
    assert (config.model.wiring, config.model.compat) == ("paper-code", "torch")


def test_imported_critics(tmp_path):
    create("ca", width=4, compat="torch").save(tmp_path / "generator.keras")
    options = {"width": 4, "compat": "torch"}
    local = create_critic("local", size=24, last_width=10, **options)
    whole = create_critic("global", size=48, **options)
    for critic in (local, whole):
        critic.save(tmp_path / f"{critic.name}.keras")
    parent = open_initial_weights(tmp_path)
    config = settings(parent, precision="float32")
    assert (config.data.image_size, config.mask.height, config.mask.width) == (48, 24, 24)
    run, _ = start_from(parent, config, tmp_path / "run")
    trainer = load_trainer(run)[0]
    assert_equal(weights(trainer.local_critic, trainer.global_critic), weights(local, whole))


# ------------------------------------------------------------------------------------------ refusal


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"model.width": 6}, "it has width 4; they have width 6"),
        ({"model.width": 2}, "it has width 4; they have width 2"),
        ({"model.compat": "torch"}, "it has compat keras; they have compat torch"),
        ({"model.name": "stable-glcic"}, "it has model ca; they have model stable-glcic"),
    ],
)
def test_another_architecture(parent_run, tmp_path, flags, message):
    parent = open_initial_weights(parent_run.path)
    with pytest.raises(UserError, match=message):
        start_from(parent, settings(parent, **flags), tmp_path / "child")
    assert not (tmp_path / "child").exists()


def test_several_machines(parent_run, tmp_path):
    parent = open_initial_weights(parent_run.path)
    with pytest.raises(
        UserError, match="begun on one machine.*`resume` and `strategy=multiworker`"
    ):
        start_from(parent, settings(parent, "strategy=multiworker"), tmp_path / "child")
    assert not (tmp_path / "child").exists()


def test_critics_that_do_not_fit(parent_run, tmp_path):
    parent = open_initial_weights(parent_run.path)
    with pytest.raises(UserError, match="local critic of .*`generator_only`"):
        start_from(parent, settings(parent, "model.critic_width=3"), tmp_path / "child")
    assert not (tmp_path / "child").exists()


@pytest.mark.parametrize(("source", "message"), [("ns", "no weights"), ("nothing", "no model")])
def test_nothing_to_start_from(source, message):
    with pytest.raises(UserError, match=message):
        open_initial_weights(source)
