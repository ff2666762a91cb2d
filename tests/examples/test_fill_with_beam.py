"""The example for Apache Beam, as far as it goes without Beam, which takes 480 MB."""

from __future__ import annotations

import json
import pickle
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inpaint_tf.inference.photographs import plan_jobs

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "fill_with_beam.py")


@pytest.fixture(autouse=True)
def _photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photographs").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    for name in "abc":
        Image.fromarray(pixels).save(f"photographs/{name}.png")
    Path("photographs/b.png").write_text("fake")
    mask = np.zeros((16, 24), np.uint8)
    mask[3:7, 4:9] = 255
    Image.fromarray(mask).save("mask.png")


def sent(thing: Any) -> Any:
    """Return what a worker gets."""
    return pickle.loads(pickle.dumps(thing))


def test_a_worker_fills_what_it_is_sent() -> None:
    example = runpy.run_path(EXAMPLE)
    filler = example["Filler"]("telea")
    filler.setup()
    jobs = plan_jobs([Path("photographs")], Path("mask.png"), Path("filled"))
    for first in ("filled", "skipped"):
        rows = [json.loads(line) for line in filler.process(sent(jobs))]
        assert [row["name"] for row in rows] == ["a.png", "b.png", "c.png"]
        assert [row["status"] for row in rows] == [first, "failed", first]
    assert sorted(path.name for path in Path("filled").iterdir()) == ["a.png", "c.png"]


def test_without_beam_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    options = ["--mask", "mask.png", "--out", "filled", "--results", "all.jsonl"]
    monkeypatch.setattr(sys, "argv", [EXAMPLE, "photographs", *options])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(EXAMPLE, run_name="__main__")
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "Error: Apache Beam is not installed: pip install apache-beam\n"
    )
