"""JAX trains without TensorFlow, with equal losses, and everything else works there, too."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import inpaint_tf as package
from inpaint_tf.cli.main import cli
from neuralgym_lite.checkpoint import latest_checkpoint, read_meta
from neuralgym_lite.errors import UserError

ROOT = Path(__file__).parents[3]
SETTINGS = """
    --dataset samples --mask mosaic --image-size 32 --width 4 --batch-size 2 --precision float32
    --set model.critic_width=4 --set n_critic=2 --set optimizer.averaging=0.9
    --set optimizer.name=muon --set optimizer.learning_rate=1e-3 --set optimizer.clip_norm=1
    --set phases.completion=2 --set preview_every=4
"""
AUTOENCODER = """
    train --model autoencoder --dataset samples --image-size 32 --width 4 --batch-size 2
    --precision float32 --set preview_every=4 --iterations 6
"""
LARGE = 520


def inpaint_tf(*arguments):
    cli.main([str(argument) for argument in arguments], standalone_mode=False)


def under_jax(folder, *commands):
    """Run commands in one process without TensorFlow; return their exit codes or errors."""
    file = folder / "commands.json"
    file.write_text(json.dumps(commands, default=str))
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {
        "JAX_PLATFORMS": "cpu",
        # What is compiled matters here, not how fast it runs.
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "jax_commands.py", file],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def command(*arguments, **faults):
    return {"arguments": [str(argument) for argument in arguments], **faults}


def read_lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def losses(run):
    lines = read_lines(run / "scalars.jsonl")
    return [{name: value for name, value in each.items() if name != "time"} for each in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed: pip install 'inpaint-tf[jax]'")
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def first(folder):
    run = folder / "first"
    tf.config.run_functions_eagerly(True)  # it is where others start, and nothing else
    inpaint_tf("train", *SETTINGS.split(), "--iterations", 2, "--run-dir", run)
    tf.config.run_functions_eagerly(False)
    return run


@pytest.fixture(scope="module")
def by_tensorflow(folder, first):
    run = folder / "tensorflow"
    inpaint_tf("finetune", first, *SETTINGS.split(), "--iterations", 6, "--run-dir", run)
    return run


@pytest.fixture(scope="module")
def results(folder, by_tensorflow):
    """Results of all commands by name, in the order in which they were run."""
    begin = ("finetune", folder / "first", *SETTINGS.split())
    resume = ("train", "--resume", "--run-dir")
    rng = np.random.default_rng(0)
    for name, height, width in (("small", 45, 61), ("large", LARGE, LARGE)):
        photo = rng.integers(0, 256, (height, width, 3), "uint8")
        mask = np.zeros((height, width), "uint8")
        mask[10:30, 20:40] = 255
        (folder / name).mkdir()
        Image.fromarray(photo).save(folder / name / "photo.png")
        Image.fromarray(mask).save(folder / name / "mask.png")
    run = folder / "jax"
    commands = {
        "finetune": command(*begin, "--backend", "jax", "--iterations", 6, "--run-dir", run),
        "stop in the first phase": command(
            *begin, "--iterations", 100, "--run-dir", folder / "parts", signal_at=0
        ),
        "stop in the second phase": command(*resume, folder / "parts", signal_at=0),
        "resume": command(*resume, folder / "parts", "--iterations", 6),
        "go back": command(
            *(*AUTOENCODER.split(), "--run-dir", folder / "rolled"),
            *("--set", "on_nan=rollback", "--set", "checkpoint_every=2"),
            nan_at=4,
        ),
        "stop at NaN": command(*AUTOENCODER.split(), "--run-dir", folder / "nan", nan_at=4),
        "fit": {"fit": run},
        "evaluate": command("evaluate", run, "--limit", 2, "--out", folder / "scores"),
        **{
            f"fill {name}": command(
                *("fill", folder / name / "photo.png", "--mask", folder / name / "mask.png"),
                *("--model", run, "--out", folder / name / "filled", "--attention-map"),
            )
            for name in ("small", "large")
        },
        # The autoencoder is compiled already; the runs above train contextual attention.
        "doctor": command("doctor", "--json", doctor_model={"name": "autoencoder", "width": 4}),
        "weights": command("weights", "list"),
        "data": command("data", "list"),
        "mirrored": command(
            *("train", *SETTINGS.split(), "--strategy", "mirrored", "--run-dir", folder / "none")
        ),
        "tensorflow": command(
            *("train", *SETTINGS.split(), "--backend", "tensorflow", "--run-dir", folder / "none")
        ),
        "missing": command("finetune", "missing", *SETTINGS.split(), "--run-dir", folder / "none"),
        "export": command("export", run, "--out", folder / "exported"),
    }
    found, stderr = under_jax(folder, *commands.values())
    return {**dict(zip(commands, found, strict=True)), "stderr": stderr}


def test_losses_of_all_phases(by_tensorflow, results, folder):
    assert results["finetune"] == 0
    expected, found = (losses(run) for run in (by_tensorflow, folder / "jax"))
    assert [sorted(each) for each in found] == [sorted(each) for each in expected]
    assert {"l1", "wgan_gp"} <= expected[-1].keys()
    for theirs, ours in zip(expected, found, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)


def test_previews_and_validation(by_tensorflow, results, folder):
    runs = by_tensorflow, folder / "jax"
    expected, found = (read_lines(run / "validation.jsonl") for run in runs)
    assert [line["iteration"] for line in found] == [0, 2, 4, 6]  # a phase ends at 2
    for theirs, ours in zip(expected, found, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-2)
    pictures, ours = (sorted(path.name for path in (run / "images").iterdir()) for run in runs)
    assert ours == pictures
    for name in pictures:
        first, second = (np.asarray(Image.open(run / "images" / name), float) for run in runs)
        assert np.abs(first - second).mean() < 1


def test_a_stopped_run_goes_on_with_the_same_bits(results, folder):
    stops = [results[f"stop in the {phase} phase"] for phase in ("first", "second")]
    assert (*stops, results["resume"]) == (75, 75, 0)
    assert losses(folder / "parts") == losses(folder / "jax")
    states = []
    for name in ("parts", "jax"):
        with np.load(latest_checkpoint(folder / name / "checkpoints") / "trainer.npz") as saved:
            states.append(dict(saved))
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name], err_msg=name)


def test_a_number_that_is_not_finite(results, folder):
    assert results["go back"] == 0
    assert "Back to iteration 4, with other photographs." in results["stderr"]
    assert [line["iteration"] for line in losses(folder / "rolled")] == [1, 2, 3, 4, 5, 6]
    assert read_meta(latest_checkpoint(folder / "rolled" / "checkpoints"))["order"] == 1
    assert "At iteration 5 '" in results["stop at NaN"]
    assert "became nan" in results["stop at NaN"]
    assert [line["iteration"] for line in losses(folder / "nan")] == [1, 2, 3, 4]


@pytest.mark.usefixtures("eagerly")
def test_tensorflow_goes_on_with_the_run(by_tensorflow, results, folder):
    for run in (by_tensorflow, folder / "jax"):
        inpaint_tf("train", "--resume", "--run-dir", run, "--iterations", 8)
    expected, found = (losses(run) for run in (by_tensorflow, folder / "jax"))
    assert [each["iteration"] for each in found] == [2, 4, 6, 8]
    assert found[-1] == pytest.approx(expected[-1], rel=1e-2, abs=1e-4)


def test_fit_in_a_script(results):
    assert len(results["fit"]["loss"]) == 2
    assert np.isfinite(results["fit"]["loss"]).all()
    assert results["fit"]["loss"][0] != results["fit"]["loss"][1]


@pytest.mark.parametrize("name", ["doctor", "weights", "data"])
def test_what_needs_no_training(results, name):
    assert results[name] == 0


def test_evaluate(results, folder):
    assert results["evaluate"] == 0
    assert (folder / "scores" / "metrics.json").is_file()


@pytest.mark.parametrize("size", ["small", "large"])
def test_fill(results, folder, size):
    assert results[f"fill {size}"] == 0
    images = [folder / size / name for name in ("photo.png", "mask.png", "filled/photo.png")]
    photo, mask, filled = (np.asarray(Image.open(image)) for image in images)
    np.testing.assert_array_equal(filled[mask == 0], photo[mask == 0])
    model = package.load(latest_checkpoint(folder / "parts" / "checkpoints") / "generator.keras")
    expected = model.fill(photo, mask // 255)
    assert np.abs(filled.astype(int) - expected)[mask > 0].mean() < 1


def test_refusals(results, folder):
    assert "strategy 'mirrored' takes TensorFlow" in results["mirrored"]
    assert "Backend 'tensorflow' was given" in results["tensorflow"]
    assert "missing" in results["missing"]
    assert "Backend 'tensorflow' was given" in results["export"]
    assert not (folder / "none").exists()
    assert not (folder / "exported").exists()
    assert "Traceback" not in results["stderr"]


@pytest.mark.parametrize(
    ("backend", "message"),
    [("jax", "Backend 'jax' was given.*'tensorflow'"), ("torch", "'torch' was given")],
)
def test_another_backend_than_that_of_the_process(tmp_path, backend, message):
    with pytest.raises(UserError, match=message):
        inpaint_tf("train", "--backend", backend, "--run-dir", tmp_path / "run")
