"""Photographs that cannot be read: a run goes on without a few of them, and stops at many."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from inpaint_tf.cli.main import cli
from inpaint_tf.data import open_photos

COUNT = 100
TRAIN = """
    train --dataset folder --model autoencoder --image-size 32 --width 2 --batch-size 4
    --precision float32 --iterations 30
"""  # each photograph once, and some twice


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3))):
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{index:03d}.png")
    return folder


def spoil(folder, train, test):
    """Damage so many photographs of either split; return their names."""
    photos = open_photos("folder", folder)
    bad = {*photos.train[::5][:train], *photos.test[:test]}
    for place, key in enumerate(sorted(bad)):
        data = (folder / key).read_bytes()
        (folder / key).write_bytes([b"", b"text", data[: len(data) // 2]][place % 3])
    return bad


def words(folder, run, *more):
    return [*TRAIN.split(), "--data-dir", str(folder), "--run-dir", str(run), *more]


def train_in_a_process_of_its_own(folder, run):
    environment = {key: os.environ[key] for key in os.environ if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-m", "inpaint_tf", *words(folder, run)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def named(text):
    return re.findall(r"\b(\d{3}\.png)", text)


def test_goes_on_without_a_few(folder, tmp_path, capsys):
    bad = spoil(folder, train=3, test=1)
    cli.main(words(folder, tmp_path / "run"), standalone_mode=False)
    said = capsys.readouterr().err
    assert sorted(named(said)) == sorted(bad)
    assert len(re.findall("^Skipped: ", said, re.MULTILINE)) == len(bad)
    assert f"{len(bad)} of {COUNT} photographs" in said
    lines = (tmp_path / "run" / "scalars.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == list(range(1, 31))


def test_stops_at_many_and_lists_them(folder, tmp_path):
    bad = spoil(folder, train=19, test=1)
    done = train_in_a_process_of_its_own(folder, tmp_path / "run")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "UserError" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.stderr.splitlines()[-1] == line
    told = named(line)
    assert len(told) >= 5  # of 92 more than 5 %; others were being read meanwhile
    assert set(told) < bad
    assert f"{len(told)} of 92 photographs" in line
    assert "--set max_bad_photos=" in line


def test_goes_on_with_many_if_allowed(folder, tmp_path, capsys):
    bad = spoil(folder, train=19, test=1)
    command = words(folder, tmp_path / "run", "--set", "max_bad_photos=0.3")
    cli.main(command, standalone_mode=False)
    assert sorted(named(capsys.readouterr().err)) == sorted(bad)
