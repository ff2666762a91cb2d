"""Train, resume, evaluate and fill, through the commands that a user types."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import keras
import numpy as np
import pytest
import yaml
from PIL import Image

import inpaint_tf
from inpaint_tf.api import TrainedRun
from inpaint_tf.cli.main import cli
from inpaint_tf.training import session
from neuralgym_lite.callbacks import ScalarLog
from neuralgym_lite.errors import UserError
from neuralgym_lite.run_lock import RunLock, locks_in

SMALL = """
    train --dataset samples --mask mosaic --image-size 32 --width 4 --batch-size 2
    --precision float32 --set model.critic_width=4 --set n_critic=2 --set preview_every=4
    --set optimizer.averaging=0.9 --set optimizer.name=muon
"""
GLCIC = """
    train --dataset samples --model glcic --image-size 32 --width 2 --batch-size 2
    --precision float32 --set model.critic_width=2 --set phases.completion=3
    --set phases.discriminator=2 --iterations 7
"""
CONTEXT_ENCODER = """
    train --dataset samples --model context-encoder --image-size 32 --width 2 --batch-size 2
    --precision float32 --set model.critic_width=2
"""
AUTOENCODER = """
    train --dataset samples --model autoencoder --image-size 32 --width 2 --batch-size 2
    --precision float32
"""

OLD_SETTINGS = Path(__file__).parents[1] / "inpaint_tf" / "training" / "old_settings.json"


pytestmark = pytest.mark.usefixtures("eager_module")


def run(*arguments):
    return cli.main([str(argument) for argument in arguments], standalone_mode=False)


def train(folder, iterations, *more):
    run(*SMALL.split(), "--iterations", iterations, "--run-dir", folder, *more)


def scalars(folder):
    lines = (folder / "scalars.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


@pytest.fixture(scope="module")
def trained(eager_module, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(folder, 8)
    return folder


@pytest.fixture(scope="module")
def autoencoder(eager_module, tmp_path_factory):
    """A run for what does not depend on the network: its step is computed in a moment."""
    folder = tmp_path_factory.mktemp("runs") / "autoencoder"
    run(*AUTOENCODER.split(), "--iterations", 2, "--run-dir", folder)
    return folder


# ---------------------------------------------------------------------------------- the run folder


def test_run_folder(trained):
    config = json.loads((trained / "config.json").read_text())
    manifest = json.loads((trained / "manifest.json").read_text())
    assert config["mask"]["mode"] == "mosaic"
    assert config["loss"]["wgan_gp_lambda"] == 10
    assert manifest["seed"] == 0
    assert len(manifest["data"]["fingerprint"]) == 64
    assert {"tensorflow", "keras", "numpy"} <= set(manifest["versions"])
    assert [line["iteration"] for line in scalars(trained)] == [2, 4, 6, 8]
    names = {"l1", "ae", "wgan_g", "g_total", "wgan_d", "wgan_gp", "d_total"}
    assert all(names < set(line) for line in scalars(trained))
    pictures = sorted(path.name for path in (trained / "images").iterdir())
    looks = [f"{kind}-{i:08d}.png" for kind in ("filled", "iteration") for i in (0, 4, 8)]
    assert pictures == [*looks, "truth.png"]
    assert (trained / "checkpoints" / "iteration-00000008" / "generator.keras").is_file()
    assert list((trained / "tensorboard").iterdir())
    scores = [json.loads(x) for x in (trained / "validation.jsonl").read_text().splitlines()]
    assert [score["iteration"] for score in scores] == [0, 4, 8]
    names = ("val_mse", "val_l1", "train_loss", "val_loss")
    assert all(np.isfinite([score[name] for name in names]).all() for score in scores)


def test_resumed_run_equals_whole_run(trained, tmp_path):
    folder = tmp_path / "parts"
    train(folder, 4)
    run("train", "--resume", "--run-dir", folder, "--iterations", 8)
    assert scalars(folder) == scalars(trained)
    models = [inpaint_tf.load(path).model for path in (folder, trained)]
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_a_run_was_told_last_is_what_it_is(tmp_path, capsys):
    folder = tmp_path / "longer"
    run(*AUTOENCODER.split(), "--iterations", 1, "--run-dir", folder)
    stop_after(["train", "--resume", "--iterations", 4, "--set", "preview_every=2"], 2, folder)
    said = capsys.readouterr().err
    assert "Stopping after this step, then saving." in said
    assert "Stopped at iteration 2 of 4, which is saved." in said
    assert f"To go on: inpaint-tf train --resume --run-dir {folder}\n" in said
    config, manifest = settings(folder)
    assert (config["iterations"], config["preview_every"]) == (4, 2)
    (earlier,) = manifest["earlier"]
    assert (earlier["config"]["iterations"], earlier["config"]["preview_every"]) == (1, 1000)
    assert datetime.datetime.fromisoformat(earlier["replaced"]).utcoffset() is not None
    run("train", "--resume", "--run-dir", folder)
    assert [line["iteration"] for line in scalars(folder)] == [1, 2, 3, 4]
    assert settings(folder) == (config, manifest)


def test_a_run_of_an_earlier_version_is_resumed(tmp_path):
    """Those stored the keys of all models, in the run folder and in each checkpoint."""
    folder = tmp_path / "old"
    run(*AUTOENCODER.split(), "--set", "mask.color=grey", "--iterations", 6, "--run-dir", folder)
    old = json.loads(OLD_SETTINGS.read_text())["autoencoder"]
    checkpoint = folder / "checkpoints" / "iteration-00000006" / "checkpoint.json"
    saved, manifest = (json.loads(p.read_text()) for p in (checkpoint, folder / "manifest.json"))
    saved["meta"]["config"] = to_flat_dict(old)
    del saved["sha256"]
    saved["sha256"] = hashlib.sha256(json.dumps(saved, sort_keys=True).encode()).hexdigest()
    manifest["earlier"] = [{"config": {**old, "iterations": 3}, "data": manifest["data"]}]
    checkpoint.write_text(json.dumps(saved))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "config.json").write_text(json.dumps(old))
    run("train", "--resume", "--run-dir", folder)
    assert settings(folder) == (old, manifest)
    run("train", "--resume", "--run-dir", folder, "--iterations", 7)
    assert [line["iteration"] for line in scalars(folder)] == [1, 2, 3, 4, 5, 6, 7]
    config, manifest = settings(folder)
    assert config["loss"] == {"ae_loss_alpha": 1.2}
    assert manifest["earlier"][1]["config"] == old
    (folder / "config.json").write_text(json.dumps({**old, "loss": {"overlap_weight": 3.0}}))
    with pytest.raises(UserError, match="loss.overlap_weight is a setting of context-encoder"):
        run("train", "--resume", "--run-dir", folder, "--iterations", 8)


def to_flat_dict(tree):
    return {f"{a}.{b}": v for a, s in tree.items() if isinstance(s, dict) for b, v in s.items()} | {
        name: value for name, value in tree.items() if not isinstance(value, dict)
    }


def settings(folder):
    names = ("config.json", "manifest.json")
    return tuple(json.loads((folder / name).read_text()) for name in names)


def test_options_of_a_resumed_run_are_not_those_of_the_default_model(tmp_path, monkeypatch):
    carried_out = []

    def carry_out(run, config, *_):
        carried_out.append((run, config))
        return TrainedRun(run.path, config, finished=True)

    monkeypatch.setattr("inpaint_tf.api._carry_out", carry_out)
    monkeypatch.chdir(tmp_path)
    begin = ("train", "--dataset", "samples", "--model", "autoencoder", "--iterations")
    run(*begin, 2)
    for command in (("train", "--iterations", 4, "--run-dir", carried_out[0][0].path), (*begin, 4)):
        run(*command, "--resume")
        assert carried_out[-1][0].path == carried_out[0][0].path
        assert (carried_out[-1][1].iterations, carried_out[-1][1].n_critic) == (4, 1)


def test_forced_learning_rates_are_those_of_the_networks(tmp_path, monkeypatch):
    run(*CONTEXT_ENCODER.split(), "--iterations", 1, "--run-dir", tmp_path / "run")
    rates = ["--set", "optimizer.learning_rate=0.25", "--set", "optimizer.critic_learning_rate=0.5"]
    resume = ["train", "--resume", "--run-dir", tmp_path / "run"]
    # The first does not live to see a checkpoint.
    with monkeypatch.context() as patch, pytest.raises(click.Abort):
        patch.setattr(ScalarLog, "act", interrupt)
        run(*resume, "--iterations", 2, "--force", *rates)
    run(*resume)
    run(*resume, "--iterations", 3)
    for iteration in (2, 3):
        assert saved_rates(tmp_path / "run", iteration) == [0.25, 0.5]
    assert inpaint_tf.load(tmp_path / "run").name == "run"


def interrupt(self, iteration, logs):
    raise KeyboardInterrupt


def saved_rates(folder, iteration):
    with np.load(folder / "checkpoints" / f"iteration-{iteration:08d}" / "trainer.npz") as saved:
        found = {name.split(":")[0]: saved[name] for name in saved if "learning_rate" in name}
    return [float(found[f"{role}_optimizer"]) for role in ("generator", "critic")]


def test_phases_resume_where_they_stopped(tmp_path):
    run(*GLCIC.split(), "--run-dir", tmp_path / "whole")
    stop_after(GLCIC.split(), 4, tmp_path / "stopped")  # within the second phase
    stop_after(["train", "--resume"], 5, tmp_path / "stopped")  # at its end
    run("train", "--resume", "--run-dir", tmp_path / "stopped")
    assert scalars(tmp_path / "stopped") == scalars(tmp_path / "whole")
    names = [set(line) & {"mse", "bce_d"} for line in scalars(tmp_path / "whole")]
    assert names == [{"mse"}] * 3 + [{"bce_d"}] * 2 + [{"mse", "bce_d"}] * 2


def stop_after(command, iterations, folder):
    """Train, and let a signal come in the step before so many iterations are done."""

    def send(self, batch, logs=None):
        if self.iteration + 1 == iterations:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScalarLog, "on_train_batch_begin", send)
        with pytest.raises(SystemExit) as stopped:
            run(*command, "--run-dir", folder)
    assert stopped.value.code == 75


def test_who_asks_for_bfloat16_where_it_is_emulated_is_told(tmp_path, monkeypatch, capsys):
    def stop(config):
        raise UserError("It would train now.")

    monkeypatch.setattr(session, "emulates_bfloat16", lambda: True)
    monkeypatch.setattr(session, "make_trainer", stop)
    with pytest.raises(UserError, match="train now"):
        train(tmp_path / "run", 2, "--precision", "mixed_bfloat16")
    assert "emulates bfloat16" in capsys.readouterr().err


def test_resuming_a_finished_run_does_nothing(trained, capsys):
    before = scalars(trained)
    run("train", "--resume", "--run-dir", trained)
    assert "has its 8 iterations already" in capsys.readouterr().err
    assert scalars(trained) == before


def test_signal_saves_and_ends_with_75(tmp_path):
    folder = tmp_path / "stopped"
    command = [sys.executable, "-m", "inpaint_tf", *AUTOENCODER.split()]
    command += ["--iterations", "100000", "--run-dir", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ}) as process:
        log = folder / "scalars.jsonl"
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and not (log.exists() and log.read_bytes()):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    assert process.returncode == 75
    done = scalars(folder)[-1]["iteration"]
    assert (folder / "checkpoints" / f"iteration-{done:08d}" / "generator.keras").is_file()


# ---------------------------------------------------------------------------- what can be done next


def test_finetune_the_run(trained, tmp_path, capsys):
    folder = tmp_path / "child"
    run("finetune", trained, "--dataset", "samples", "--iterations", 2, "--run-dir", folder)
    assert capsys.readouterr().out == f"{folder}\n"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["parent"]["source"] == str(trained)
    assert manifest["parent"]["iteration"] == 8
    config = json.loads((folder / "config.json").read_text())
    assert (config["mask"]["mode"], config["model"]["width"], config["iterations"]) == (
        "mosaic",
        4,
        2,
    )
    assert [line["iteration"] for line in scalars(folder)] == [2]


def test_critics_are_fresh_or_anothers(trained):
    with pytest.raises(UserError, match="Give --critics or --generator-only, not both."):
        run("finetune", trained, "--critics", trained, "--generator-only")


def test_evaluate_the_run(trained, tmp_path, capsys):
    run("evaluate", trained, "--limit", 4, "--out", tmp_path, "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "metrics.json").read_text())
    assert (tmp_path / "per_image.csv").is_file()
    assert (tmp_path / "grid.png").is_file()


def test_fill_a_photograph_of_odd_size(trained, tmp_path):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (45, 61, 3), "uint8")
    mask = np.zeros((45, 61), "uint8")
    mask[10:30, 20:50] = 255
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "out"
    fill = ["fill", tmp_path / "photo.png", "--mask", tmp_path / "mask.png", "--attention-map"]
    run(*fill, "--model", trained, "--out", out)
    with Image.open(out / "photo.png") as image:
        filled = np.asarray(image)
    np.testing.assert_array_equal(filled[mask == 0], photo[mask == 0])
    assert not np.array_equal(filled, photo)
    with Image.open(out / "photo.attention.png") as image:
        assert image.size == (61, 45)


def test_load_keeps_the_mask_mode(trained, tmp_path):
    model = inpaint_tf.load(trained)
    assert model.mask_mode.name == "mosaic"
    model.model.save(tmp_path / "model.keras")
    again = inpaint_tf.load(tmp_path / "model.keras")
    assert again.mask_mode == model.mask_mode
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (32, 40, 3), "uint8")
    mask = np.zeros((32, 40), "uint8")
    mask[8:20, 8:30] = 1
    np.testing.assert_array_equal(again.fill(photo, mask), model.fill(photo, mask))


# ----------------------------------------------------------------------------------------- refusal


def test_existing_run_is_not_overwritten(trained):
    before = scalars(trained)
    with pytest.raises(UserError, match="--resume or --overwrite"):
        train(trained, 8)
    assert scalars(trained) == before


def test_resume_with_another_network(trained):
    with pytest.raises(UserError, match="model.width=4, not 8"):
        run("train", "--resume", "--run-dir", trained, "--width", 8)


def test_a_batch_larger_than_the_data_set(tmp_path, monkeypatch, capsys):
    def stop(config):
        raise UserError("It would train now.")

    monkeypatch.setattr(session, "make_trainer", stop)
    with pytest.raises(UserError, match="train now"):
        run(*AUTOENCODER.split(), "--batch-size", 1000, "--run-dir", tmp_path / "run")
    assert "A batch of 1000 has photographs twice: there are " in capsys.readouterr().err


def test_resume_on_other_photographs(trained, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.json", "manifest.json"):
        (copy / name).write_bytes((trained / name).read_bytes())
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"]["fingerprint"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    before = settings(copy)
    with pytest.raises(UserError, match="other photographs"):
        run("train", "--resume", "--run-dir", copy, "--iterations", 9)
    assert settings(copy) == before


def test_resume_on_other_pixels(tmp_path):
    photos, folder = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), "uint8")).save(photos / f"{index}.bmp")
    begin = "--model autoencoder --dataset folder --image-size 32 --batch-size 2 --width 2"
    more = ("--data-dir", photos, "--precision", "float32", "--run-dir", folder)
    run("train", *begin.split(), *more, "--iterations", 1)
    changed = bytearray((photos / "3.bmp").read_bytes())
    changed[-1] ^= 1
    (photos / "3.bmp").write_bytes(changed)
    before = settings(folder)
    resume = ("train", "--resume", "--run-dir", folder, "--iterations")
    with pytest.raises(UserError, match="same names and sizes, but not what was in the files"):
        run(*resume, 2)
    assert settings(folder) == before
    run(*resume, 2, "--force")
    run(*resume, 3)
    manifest = settings(folder)[1]
    assert manifest["earlier"][0]["data"] == before[1]["data"]
    assert manifest["data"]["content"] != before[1]["data"]["content"]
    assert manifest["data"]["fingerprint"] == before[1]["data"]["fingerprint"]
    # A run of before knows names and sizes alone.
    del manifest["data"]["content"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (photos / "3.bmp").write_bytes(bytes(len(changed)))
    run(*resume, 4)


def test_a_run_in_use_is_left_alone_and_can_be_read(autoencoder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(autoencoder, copy)
    with RunLock() as lock:
        lock.hold(copy)
        files = sorted(copy.rglob("*"))
        for command in (
            ("train", "--resume"),
            (*AUTOENCODER.split(), "--overwrite"),
            ("finetune", autoencoder, "--overwrite", "--dataset", "samples"),
        ):
            with pytest.raises(UserError, match=f"in use by .*process {os.getpid()}"):
                run(*command, "--run-dir", copy, "--iterations", 10)
        assert sorted(copy.rglob("*")) == files
        assert settings(copy) == settings(autoencoder)
        run("evaluate", copy, "--limit", 2, "--out", tmp_path / "scores")
    run("train", "--resume", "--run-dir", copy, "--iterations", 10)
    assert not list(locks_in(copy))


def test_checkpoint_of_another_model(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    config = json.loads((copy / "config.json").read_text())
    config["model"]["width"] = 6
    (copy / "config.json").write_text(json.dumps(config))
    resume = ["train", "--resume", "--run-dir", copy, "--iterations", 10]
    for more, message in (([], "model.width=4, and the run has 6"), (["--force"], "has shape")):
        with pytest.raises(UserError, match=message) as caught:
            run(*resume, *more)
        assert "\n" not in str(caught.value)
    assert scalars(copy) == scalars(trained)
    assert settings(copy) == (config, settings(trained)[1])


def test_damaged_checkpoint_is_named(trained, tmp_path):
    copy = tmp_path / "copy"
    latest = copy / "checkpoints" / "iteration-00000008"
    latest.mkdir(parents=True)
    for name in ("config.json", "manifest.json"):
        (copy / name).write_bytes((trained / name).read_bytes())
    for path in (trained / "checkpoints" / latest.name).iterdir():
        (latest / path.name).write_bytes(path.read_bytes())
    with (latest / "generator.keras").open("r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    with pytest.raises(UserError, match=r"generator\.keras"):
        inpaint_tf.load(copy)


def test_load_refuses_what_is_no_inpainting_model(tmp_path):
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]).save(other)
    with pytest.raises(UserError, match="not an inpainting model"):
        inpaint_tf.load(other)
    text = tmp_path / "text.keras"
    text.write_text("not a model")
    with pytest.raises(UserError, match="cannot be read"):
        inpaint_tf.load(text)
    with pytest.raises(UserError, match=r"There is no model 'nothing'\. .*ns, telea"):
        inpaint_tf.load("nothing")


def test_hole_larger_than_the_image(tmp_path):
    with pytest.raises(UserError, match="The hole does not fit: its height is 999 pixels"):
        train(tmp_path / "run", 2, "--set", "mask.height=999")
    assert not (tmp_path / "run").exists()


def test_config_file_and_resume_contradict(trained, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"iterations": 10}))
    with pytest.raises(UserError, match="contradict"):
        run("train", "--resume", "--run-dir", trained, "--config", file)
