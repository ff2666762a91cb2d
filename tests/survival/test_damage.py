"""Damaged checkpoints and full disks: the checkpoint before is used, and nothing half is left."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys

import pytest

import inpaint_tf
from inpaint_tf.cli.main import cli
from neuralgym_lite.checkpoint import latest_checkpoint, verify
from neuralgym_lite.errors import UserError

TRAIN = """
    train --dataset samples --model autoencoder --image-size 32 --width 2 --batch-size 2
    --precision float32 --set checkpoint_every=4 --set preview_every=100
"""


def run(*arguments):
    return cli.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "trained"
    run(*TRAIN.split(), "--iterations", 10, "--run-dir", folder)
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert names == ["iteration-00000008", "iteration-00000010"]
    return folder


def truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(path):
    path.unlink()


DAMAGES = [
    ("trainer.npz", flip_a_bit),
    ("checkpoint.json", truncate),
    pytest.param("generator.keras", flip_a_bit, marks=pytest.mark.full),
    pytest.param("trainer.npz", truncate, marks=pytest.mark.full),
    pytest.param("trainer.npz", remove, marks=pytest.mark.full),
    pytest.param("checkpoint.json", remove, marks=pytest.mark.full),
]


@pytest.mark.parametrize(("file", "damage"), DAMAGES)
def test_the_one_before_is_used(trained, tmp_path, capsys, file, damage):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    damaged = folder / "checkpoints" / "iteration-00000010"
    before = damaged.with_name("iteration-00000008")
    damage(damaged / file)
    # Nobody takes an older network for the newest.
    with pytest.raises(UserError, match="iteration-00000010") as caught:
        inpaint_tf.load(folder)
    assert f"Give '{before / 'generator.keras'}' to take the one before it" in str(caught.value)
    assert file in str(caught.value)
    inpaint_tf.load(before / "generator.keras")
    run("train", "--resume", "--run-dir", folder, "--iterations", 11)
    talk = " ".join(capsys.readouterr().err.split())
    assert file in talk
    assert "It was moved to" in talk
    assert "The one before it is used" in talk
    assert (damaged.parent / "broken" / damaged.name).is_dir()
    inpaint_tf.load(folder)
    log = (folder / "scalars.jsonl").read_text().splitlines()
    numbers = [json.loads(line)["iteration"] for line in log]
    assert numbers == list(range(1, 12))


def test_none_is_whole(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    for path in (folder / "checkpoints").iterdir():
        remove(path / "checkpoint.json")
    log = (folder / "scalars.jsonl").read_text()
    for _ in range(2):
        with pytest.raises(UserError, match="no whole checkpoint left; the damaged ones are in"):
            run("train", "--resume", "--run-dir", folder, "--iterations", 11)
    assert (folder / "scalars.jsonl").read_text() == log
    assert json.loads((folder / "config.json").read_text())["iterations"] == 10


def test_full_disk(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    size = max(path.stat().st_size for path in newest(folder).iterdir())

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, size - 1))

    resume = ["train", "--resume", "--run-dir", str(folder), "--iterations", "30"]
    command = [sys.executable, "-m", "inpaint_tf", *resume]
    failed = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("Error")]
    assert "iteration-00000012' cannot be written: File too large" in line
    assert newest(folder).name == "iteration-00000010"
    verify(newest(folder))
    assert not list((folder / "checkpoints").glob(".*"))
    run(*resume[:-1], 13)
    assert newest(folder).name == "iteration-00000013"


def newest(folder):
    return latest_checkpoint(folder / "checkpoints")
