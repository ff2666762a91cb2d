"""What a report says of where an inpainter came from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from inpaint_tf.inference import load
from inpaint_tf.models import create
from neuralgym_lite.checkpoint import save_checkpoint
from neuralgym_lite.experiment import RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "small")
    folder.write_manifest({"data": {"dataset": "samples"}}, {})
    model = create("ca", width=4, mask_mode="mosaic")
    writers = {"generator.keras": lambda path: model.save(path)}
    save_checkpoint(folder.checkpoints, "iteration-7", writers, {"iteration": 7})
    return folder.path


def test_of_a_run(run: Path) -> None:
    known = load(run).provenance()
    file = run / "checkpoints" / "iteration-7" / "generator.keras"
    assert known["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (known["iteration"], known["checkpoint"]) == (7, "iteration-7")
    assert (known["name"], known["trained on"]) == ("small", "samples")
    assert known["mask"]["name"] == "mosaic"
    assert known["parameters"] == load(run).model.count_params()
    assert json.loads(json.dumps(known)) == known


def test_of_a_file(run: Path) -> None:
    file = run / "checkpoints" / "iteration-7" / "generator.keras"
    known = load(file).provenance()
    assert known["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "iteration" not in known


def test_of_a_classical_method() -> None:
    known = load("telea").provenance()
    assert known == {"name": "telea", "source": "telea", "model": "OpenCV telea", "radius": 3}
