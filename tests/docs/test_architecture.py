"""ARCHITECTURE.md names existing files, and the places that it gives for changes are enough."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

PACKAGES = ("inpaint_tf", "neuralgym_lite")
MAX_LINES = 120

METRIC = '''
def largest_error(truth, result, mask=None):
    """Return the largest error of each picture, in gray levels."""
    return np.abs(truth.astype(float) - result).max(axis=(1, 2, 3))


METRICS["largest_error_whole_255"] = Metric(largest_error, "largest error", "largest", "whole", 0)
'''
DATA_SET = '''
def open_noise(data_dir=None, log=None):
    """Open the samples under another name."""
    import dataclasses

    return dataclasses.replace(open_samples(data_dir, log), name="noise")


_DATA_SETS["noise"] = _DataSet(open_noise)
'''
COMMAND = '''
"""`inpaint-tf greet`."""

import click


@click.command("greet")
def command():
    """Greet."""
    click.echo("hello")
'''


def test_every_file_that_it_names_exists():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES, "it is one page"
    named = re.findall(
        r"`((?:inpaint_tf|neuralgym_lite|scripts|benchmarks|tools|examples|docs|tests)/[\w/.]*)`",
        text,
    )
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_package_has_a_row():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = [path.parent.name for path in ROOT.glob("inpaint_tf/*/__init__.py")]
    assert [name for name in packages if f"`inpaint_tf/{name}/`" not in text] == []


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """A copy of the packages with a metric, a data set and a command more."""
    folder = tmp_path_factory.mktemp("changed")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file, addition in (
        ("inpaint_tf/metrics/__init__.py", METRIC),
        ("inpaint_tf/data/registry.py", DATA_SET),
    ):
        with (folder / file).open("a", encoding="utf-8") as edited:
            edited.write(addition)
    (folder / "inpaint_tf/cli/greet.py").write_text(COMMAND.lstrip(), encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "inpaint_tf", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_command_is_one_new_file(changed):
    assert run(changed, "greet") == "hello\n"
    assert "greet" in run(changed, "--help")


def test_a_metric_and_a_data_set_are_one_edit_each(changed):
    options = "--dataset noise --limit 2 --image-size 64 --no-baselines --json --out scores"
    found = json.loads(run(changed, "evaluate", "telea", *options.split()))
    assert found["dataset"]["name"] == "noise"
    assert "largest_error_whole_255" in json.dumps(found)
