"""What the benchmarks share."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import harness

    return harness


def test_jobs_take_turns_and_warm_ups_are_dropped(harness):
    calls = []
    jobs = {name: (lambda name=name: calls.append(name) or len(calls)) for name in "ab"}
    assert harness.take_turns(jobs, turns=2, warm_up=1) == {"a": [3, 5], "b": [4, 6]}
    assert "".join(calls) == "ababab"


def test_a_process_of_its_own(harness):
    assert harness.in_process(os.getpid) != os.getpid()
    assert harness.in_process(max, 3, 5) == 5


def test_quartiles(harness):
    assert harness.spread([4.0, 1.0, 2.0, 3.0, 5.0]) == {
        "median": 3.0,
        "low": 2.0,
        "high": 4.0,
        "min": 1.0,
        "n": 5,
    }
    assert harness.spread([7.0])["high"] == 7.0


def test_a_report_is_markdown_and_json_with_command_and_seed(harness, tmp_path, capsys):
    report = harness.Report("speed", "Speed", seed=3)
    rows = [{"name": "fill", "seconds": 0.125, "extra": [1]}]
    report.table("stages", "stage | median", "{name} | {seconds:.2f} s", rows)
    report.write(tmp_path / "new")
    text = (tmp_path / "new" / "speed.md").read_text()
    assert capsys.readouterr().out == text
    assert text.startswith("# Speed\n\n`python ") and "Seed 3." in text
    assert text.endswith("\n\n| stage | median |\n|---|--:|\n| fill | 0.12 s |\n")
    data = json.loads((tmp_path / "new" / "speed.json").read_text())
    assert data["stages"] == [{"name": "fill", "seconds": 0.125, "extra": [1]}]
    assert data["environment"]["seed"] == 3 and data["environment"]["cores"]
