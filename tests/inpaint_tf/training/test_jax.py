"""Training by JAX has the losses of training by TensorFlow, and its runs go on there."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inpaint_tf.cli.main import cli

ROOT = Path(__file__).parents[3]
SETTINGS = """
    --dataset samples --mask mosaic --image-size 32 --width 4 --batch-size 2 --precision float32
    --set model.critic_width=4 --set n_critic=2 --set optimizer.averaging=0.9
    --set optimizer.name=muon --set optimizer.learning_rate=1e-3 --set optimizer.clip_norm=1
    --set phases.completion=2
"""


def inpaint_tf(*arguments):
    cli.main([str(argument) for argument in arguments], standalone_mode=False)


def on_jax(*arguments):
    command = [sys.executable, ROOT / "scripts" / "train_on_jax.py", *arguments]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


# All in one process, as it takes long to start.
CALLED = """
import sys
sys.path.insert(0, "scripts")
from train_on_jax import UserError, main
for arguments in sys.argv[2:]:
    try:
        main([*arguments.split(), "--run-dir", sys.argv[1]], standalone_mode=False)
    except UserError as error:
        print(error)
"""


def called(folder, *commands):
    """Call the script with each of the arguments; return what was refused, a line each."""
    done = subprocess.run(
        [sys.executable, "-c", CALLED, folder, *commands],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def losses(run):
    lines = [json.loads(line) for line in (run / "scalars.jsonl").read_text().splitlines()]
    return [{name: value for name, value in each.items() if name != "time"} for each in lines]


@pytest.fixture(scope="module")
def jax_is_here():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed: pip install 'inpaint-tf[jax]'")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, jax_is_here):
    folder = tmp_path_factory.mktemp("runs")
    first, by_tensorflow, by_jax = folder / "first", folder / "tensorflow", folder / "jax"
    inpaint_tf("train", *SETTINGS.split(), "--iterations", 2, "--run-dir", first)
    same = (*SETTINGS.split(), "--iterations", "6")
    inpaint_tf("finetune", first, *same, "--run-dir", by_tensorflow)
    done = on_jax("--from", first, *same, "--run-dir", by_jax)
    assert done.returncode == 0, done.stderr
    return by_tensorflow, by_jax


def test_losses_of_all_phases(runs):
    expected, found = (losses(run) for run in runs)
    assert [sorted(each) for each in found] == [sorted(each) for each in expected]
    assert {"l1", "wgan_gp"} <= expected[-1].keys()
    for theirs, ours in zip(expected, found, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)


def test_tensorflow_goes_on_with_the_run(runs):
    for run in runs:
        inpaint_tf("train", "--resume", "--run-dir", run, "--iterations", 8)
    expected, found = (losses(run) for run in runs)
    assert [each["iteration"] for each in found] == [2, 4, 6, 8]
    assert found[-1] == pytest.approx(expected[-1], rel=1e-2, abs=1e-4)


def test_what_a_resumed_run_left_behind_is_dropped(runs, tmp_path):
    shutil.copytree(runs[1], tmp_path / "run")
    validation = tmp_path / "run" / "validation.jsonl"
    validation.write_text('{"iteration": 2, "val_loss": 1}\n{"iteration": 99, "val_loss": 1}\n')
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "on_nan": "rollback"}))
    told = called(tmp_path / "run", "--resume", "--resume --set on_nan=stop")
    assert [line.split(":")[0] for line in told] == [
        "This stops at a number that is not finite, and does not go back"
    ]
    lines = [json.loads(line) for line in validation.read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [2]


def test_a_wrong_argument_is_one_line(tmp_path, jax_is_here):
    done = on_jax("--from", "missing", *SETTINGS.split(), "--run-dir", tmp_path / "run")
    assert done.returncode == 1
    assert "missing" in next(line for line in done.stderr.splitlines() if line[:6] == "Error:")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_what_contradicts_itself_is_refused(tmp_path, jax_is_here):
    expected = {
        "--resume --from a": "--resume takes no --from",
        "--critics a": "goes with --from",
        "--strategy mirrored": "one device",
        "--set on_nan=rollback": "does not go back",
    }
    told = called(tmp_path / "run", *expected)
    assert len(told) == len(expected)
    assert all(part in line for part, line in zip(expected.values(), told, strict=True))
    assert not (tmp_path / "run").exists()
