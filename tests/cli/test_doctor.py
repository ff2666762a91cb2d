"""`inpaint-tf doctor`: what it looks at, and what it says of what does not work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from inpaint_tf.cli.doctor import command
from inpaint_tf.training import doctor
from neuralgym_lite.errors import UserError

STATES = {"ok", "missing", "broken"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Somewhere else, with no data set and an empty cache."""
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INPAINT_TF_DATA", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def idle(monkeypatch):
    """Leave the training out, which takes some seconds."""
    monkeypatch.setattr(doctor, "_train", lambda: "it trains")


def run(*arguments):
    return CliRunner().invoke(command, arguments)


@pytest.mark.usefixtures("eagerly")
def test_everything_is_looked_at_and_nothing_is_written(home):
    result = run("--json")
    assert (result.exit_code, result.exception) == (0, None)
    findings = {finding["subject"]: finding for finding in json.loads(result.stdout)}
    assert set(findings) == {
        "python",
        *doctor.REQUIRED,
        *doctor.OPTIONAL,
        "processors",
        "backend",
        "GPUs",
        "precision",
        "cache",
        "animals",
        "imagenet",
        "places2",
        "samples",
        "training",
    }
    assert {finding["state"] for finding in findings.values()} <= STATES
    assert all(finding.keys() == {"state", "subject", "text"} for finding in findings.values())
    assert findings["training"]["text"].startswith("two rounds and a filled photograph in ")
    assert findings["precision"]["text"] in ("auto is float32", "auto is mixed_bfloat16")
    assert findings["cache"]["text"] == f"{home / 'cache'}, not made yet"
    assert (findings["animals"]["state"], findings["samples"]["state"]) == ("missing", "ok")
    assert "inpaint-tf data get animals" in findings["animals"]["text"]
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert not (home / "cache").exists()


def test_text(idle):
    result = run()
    assert result.exit_code == 0
    lines = {line.split()[1]: line for line in result.stdout.splitlines()}
    assert lines["training"] == "ok      training      it trains"
    assert lines["animals"].startswith("missing animals       ")
    assert all(line.split()[0] in STATES for line in lines.values())
    assert result.stderr == "A training of two rounds takes some seconds.\n"


@pytest.mark.parametrize("arguments", [(), ("--json",)])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UserError("no way"), "UserError: no way"),
        (RuntimeError("two\nlines"), "RuntimeError: two lines"),
        (MemoryError(), "MemoryError: no reason given"),
        (ValueError("long " * 1000), "ValueError: long long"),
    ],
)
def test_a_training_that_breaks_is_told_of(monkeypatch, arguments, error, told):
    def broken(*arguments, **options):
        raise error

    monkeypatch.setattr(doctor, "make_trainer", broken)
    result = run(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    (line,) = [line for line in result.stdout.splitlines() if told in line]
    assert len(line) < 400
    if arguments:
        assert json.loads(result.stdout)[-1]["state"] == "broken"
    else:
        assert line.startswith("broken  training      ")


def test_a_loss_that_is_not_finite_is_told_of(monkeypatch):
    class Trainer:
        def fit(self, *arguments, **options):
            return type("History", (), {"history": {"l1": [1.0, float("nan")]}})

    monkeypatch.setattr(doctor, "make_trainer", lambda config: Trainer())
    result = run()
    assert result.exit_code == 1
    assert "a loss is not finite: {'l1': nan}" in result.stdout


def test_a_package_that_is_missing(monkeypatch, idle):
    monkeypatch.setattr(doctor, "REQUIRED", ("numpy", "no-such-package"))
    monkeypatch.setattr(doctor, "OPTIONAL", {"nor-this-one": "does nothing"})
    result = run()
    assert result.exit_code == 1
    assert "broken  no-such-package" in result.stdout
    assert "missing nor-this-one  not installed; it does nothing" in result.stdout


def test_help_names_the_exit_code():
    assert "Exits with 1" in run("--help").stdout
    assert Path.cwd().name == "here"
