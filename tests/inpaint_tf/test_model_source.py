"""What a name or a path is, and what is recorded about it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from inpaint_tf import weights
from inpaint_tf.model_source import ModelSource, newest_checkpoint, presets
from inpaint_tf.models import create, create_critic
from neuralgym_lite.checkpoint import save_checkpoint
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind, by its name."""
    place = tmp_path_factory.mktemp("sources")
    model = create("autoencoder", width=2)
    model.save(place / "small.keras")
    folder = place / "imported"
    folder.mkdir()
    model.save(folder / "generator.keras")
    create_critic("local", size=(16, 16), width=2).save(folder / "local_critic.keras")
    (folder / "model.json").write_text("{}")
    run = RunFolder.create(place / "run")
    run.write_manifest({"data": {"dataset": "samples", "image_size": 32}}, {})
    writers = {"generator.keras": lambda path: model.save(path)}
    save_checkpoint(run.checkpoints, "iteration-3", writers, {"iteration": 3})
    save_checkpoint(run.checkpoints, "iteration-7", writers, {"iteration": 7})
    served = place / "served" / "1"
    served.mkdir(parents=True)
    (served / "saved_model.pb").touch()
    (place / "model.onnx").touch()
    return {
        "classical": Path("telea"),
        "preset": Path("ca-photos"),
        "file": place / "small.keras",
        "folder": folder,
        "run": run.path,
        "export": place / "served",
    }


def test_kinds(sources: dict[str, Path]) -> None:
    names = {"file": "small", "folder": "imported", "run": "run", "export": "served, saved_model"}
    for kind, path in sources.items():
        found = ModelSource.find(path)
        assert found.kind == kind
        assert found.name == names.get(kind, str(path))
        assert ModelSource.find(str(path)) == found
    # A version and a file are exports as well, and a checkpoint is a folder with a generator.
    for path in (sources["export"] / "1", sources["run"].parent / "model.onnx"):
        assert ModelSource.find(path).kind == "export"
    checkpoint = sources["run"] / "checkpoints" / "iteration-3"
    assert ModelSource.find(checkpoint).kind == "folder"


@pytest.mark.parametrize("kind", ["file", "folder", "run", "preset"])
def test_networks_are_loaded_and_known_by_their_digest(sources: dict[str, Path], kind: str) -> None:
    found = ModelSource.find(sources[kind])
    known = found.provenance()
    assert known["source"] == str(sources[kind])
    assert known["sha256"] == hashlib.sha256(found.generator_file.read_bytes()).hexdigest()
    if kind != "preset":
        assert (
            found.load_generator().count_params() == create("autoencoder", width=2).count_params()
        )
        assert (found.default_detail, found.trained_hole) == (False, None)
    assert ("iteration" in known) == (kind == "run")


def test_a_run(sources: dict[str, Path]) -> None:
    found = ModelSource.find(sources["run"])
    assert found.run is not None
    assert found.run.path == sources["run"]
    assert found.checkpoint == newest_checkpoint(found.run)
    known = found.provenance()
    assert (known["checkpoint"], known["iteration"], known["trained on"]) == (
        "iteration-7",
        7,
        "samples",
    )


def test_the_newest_checkpoint_is_decided_once(sources: dict[str, Path]) -> None:
    """What is loaded and what is reported are the same, while the training goes on."""
    found = ModelSource.find(sources["run"])
    before = found.generator_file
    later = found.run.checkpoints / "iteration-9"
    later.mkdir()
    try:
        assert found.generator_file == before
    finally:
        later.rmdir()


def test_an_import(sources: dict[str, Path]) -> None:
    found = ModelSource.find(sources["folder"])
    assert list(found.load_critics()) == ["local_critic"]
    assert found.facts_file == sources["folder"] / "model.json"
    assert ModelSource.find(sources["file"]).load_critics() == {}
    assert ModelSource.find(sources["file"]).facts_file is None


def test_a_preset() -> None:
    found = ModelSource.find("ca-photos")
    assert (found.default_detail, found.trained_hole) == (True, 128)
    assert found.facts_file == weights.locate("ca-photos") / "model.json"
    # The same folder by its path is not the preset.
    path = ModelSource.find(weights.locate("ca-photos"))
    assert (path.kind, path.default_detail, path.trained_hole) == ("folder", False, None)


def test_what_has_no_network_says_so(sources: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="'telea' is not a network"):
        ModelSource.find("telea").load_generator()
    url = "http://localhost:8501/v1/models/inpaint"
    for source in (sources["export"], sources["run"].parent / "model.onnx", url):
        with pytest.raises(UserError, match="is an exported model, .* give what it was exported"):
            ModelSource.find(source).load_generator()


def test_servers() -> None:
    for url in ("http://localhost:8501/v1/models/inpaint/", "grpc://localhost:8500/inpaint"):
        found = ModelSource.find(url)
        assert found.kind == "server"
        assert found.name == f"inpaint, {url.split(':')[0]}"
        assert found.provenance() == {"source": url}


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model 'nothing'. .* ca-mosaic, ca-photos, ns, telea"):
        ModelSource.find("nothing")
    with pytest.raises(UserError, match="no model 'ca-photo'. Did you mean 'ca-photos'?"):
        ModelSource.find("ca-photo")
    with pytest.raises(UserError, match="is not a run folder: it has no manifest.json"):
        ModelSource.find(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match="has no checkpoint yet"):
        ModelSource.find(tmp_path).load_generator()


def test_presets_need_no_tensorflow() -> None:
    program = (
        "import sys, json, inpaint_tf\n"
        "print(json.dumps(inpaint_tf.presets()))\n"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == presets()
