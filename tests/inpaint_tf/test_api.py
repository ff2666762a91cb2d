"""The package's own names, and the commands as functions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import inpaint_tf
from inpaint_tf.api import with_keys
from inpaint_tf.inference import NetworkInpainter
from inpaint_tf.models import create
from inpaint_tf.training.config import TrainConfig
from neuralgym_lite.errors import UserError

SMALL = {"dataset": "samples", "image_size": 32, "width": 2, "batch_size": 2, "iterations": 1}
TINY = {**SMALL, "model": "autoencoder", "verbose": False}
SCORED = {"dataset": "samples", "image_size": 32, "limit": 2}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INPAINT_TF_WEIGHTS", raising=False)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))


# The package.


def test_everything_public_is_listed_and_nothing_is_imported() -> None:
    program = (
        "import sys, json, inpaint_tf\n"
        "print(json.dumps([dir(inpaint_tf), inpaint_tf.__version__]))\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    names, version = json.loads(done.stdout)
    assert names == sorted([*inpaint_tf.__all__, "__version__"])
    assert {"Inpainter", "evaluate", "export", "finetune", "load", "presets", "train"} < {*names}
    assert version[0].isdigit()


def test_a_function_is_not_hidden_by_a_module() -> None:
    """Importing a module of the package sets an attribute of its name."""
    import inpaint_tf.exporters.exporter
    import inpaint_tf.training.session  # noqa: F401

    for name in ("evaluate", "export", "finetune", "load", "presets", "train"):
        assert callable(getattr(inpaint_tf, name)), name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = inpaint_tf.nothing


# Training.


@pytest.mark.usefixtures("eagerly")
def test_train_resume_and_finetune(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = inpaint_tf.train(**TINY, optimizer={"learning_rate": 2e-4}, run_dir="run")
    assert (run.run_dir, run.finished) == (Path("run"), True)
    config = json.loads(Path("run/config.json").read_text())
    assert config["optimizer"]["learning_rate"] == 2e-4
    assert (config["model"]["width"], config["data"]["image_size"]) == (2, 32)
    assert capfd.readouterr() == ("", "")

    more = inpaint_tf.train(run_dir="run", resume=True, iterations=2)
    assert (more.config.iterations, more.config.model.name) == (2, "autoencoder")
    out, err = capfd.readouterr()
    assert out == "" and "Run folder: run" in err

    tuned = inpaint_tf.finetune("run", dataset="samples", iterations=1, verbose=False)
    assert tuned.run_dir == Path("runs/autoencoder-samples-hole-finetuned")
    manifest = json.loads((tuned.run_dir / "manifest.json").read_text())
    assert (manifest["parent"]["source"], manifest["parent"]["iteration"]) == ("run", 2)
    assert isinstance(inpaint_tf.load(tuned.run_dir), NetworkInpainter)


def test_settings_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[TrainConfig] = []

    def carry_out(run, config, *_):
        given.append(config)

    monkeypatch.setattr("inpaint_tf.api._carry_out", carry_out)
    Path("a.yaml").write_text("model: {name: autoencoder, width: 6}\ndata: {dataset: samples}\n")
    nested = {"model": {"name": "autoencoder", "width": 6}, "data": {"dataset": "samples"}}
    dotted = {"model.name": "autoencoder", "model.width": 6, "dataset": "samples"}
    forms = ["a.yaml", Path("a.yaml"), nested, dotted]
    for index, config in enumerate(forms):
        inpaint_tf.train(config, batch_size=3, overrides=["seed=4"], run_dir=f"run-{index}")
    inpaint_tf.train(given[0], run_dir="again")
    assert given == [given[0]] * 5
    assert (given[0].model.width, given[0].batch_size, given[0].seed) == (6, 3, 4)
    assert given[0].n_critic == 1  # of the model's own settings
    inpaint_tf.train("a.yaml", width=8, model={"compat": "keras"}, run_dir="wider")
    assert (given[-1].model.name, given[-1].model.width) == ("autoencoder", 8)


def test_short_names() -> None:
    assert with_keys({"mask": "mosaic", "width": 4, "seed": 1}) == {
        "mask.mode": "mosaic",
        "model.width": 4,
        "seed": 1,
    }
    assert with_keys({"mask": {"brush": 0.5}}) == {"mask": {"brush": 0.5}}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resume": True, "overwrite": True}, "`resume` and `overwrite` contradict"),
        ({"force": True}, "`force` is for `resume`"),
        ({"model": "cca", "dataset": "samples"}, "Unknown model: 'cca'. Did you mean 'ca'?"),
        ({"learning_rate": 1}, "Did you mean 'optimizer.learning_rate'?"),
    ],
)
def test_what_cannot_be_trained(options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as refused:
        inpaint_tf.train(**options)
    assert words in str(refused.value)
    assert not Path("runs").exists()
    with pytest.raises(UserError, match="'telea' has no weights to start from"):
        inpaint_tf.finetune("telea")


# Evaluation.


def test_evaluate() -> None:
    model = create("autoencoder", width=2)
    network = NetworkInpainter(model, model.mask_mode, "small")
    lines: list[tuple[int, int, str]] = []
    evaluation = inpaint_tf.evaluate(
        ["ns", network], **SCORED, blend=True, on_progress=lambda *line: lines.append(line)
    )
    assert list(evaluation.scores) == [
        "input (hole)",
        "telea",
        "ns",
        "small",
        "ns, blended",
        "small, blended",
    ]
    assert evaluation.settings["models"][1]["source"] == "ns"
    assert evaluation.settings["models"][2]["model"] == "Autoencoder"
    assert lines[-1][:2] == (12, 12)
    scores = evaluation.scores
    assert (scores["ns"]["mse_hole_255"] != scores["ns, blended"]["mse_hole_255"]).any()
    assert not list(Path().iterdir())
    evaluation.write(Path("results"))
    assert Path("results/metrics.json").is_file()


def test_a_loaded_inpainter_is_its_own_baseline() -> None:
    evaluation = inpaint_tf.evaluate(inpaint_tf.load("telea"), **SCORED)
    assert list(evaluation.scores) == ["input (hole)", "ns", "telea"]
    alone = inpaint_tf.evaluate("telea", **SCORED, baselines=False, detail=True)
    assert list(alone.scores) == ["input (hole)", "telea"]
    assert alone.settings["models"][0]["detail"] is True
    name = "mse_hole_255"
    assert (alone.scores["telea"][name] != evaluation.scores["telea"][name]).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sources": []}, "give at least one source"),
        ({"sources": "nothing"}, "There is no model 'nothing'"),
        ({"limit": 0}, "`limit` must be at least 1. Received: 0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1. Received: 0"),
        ({"seed": -1}, "`seed` must be in 0..4294967295. Received: -1"),
        ({"image_size": 8}, "`image_size` must be in 16..8192. Received: 8"),
        ({"mask": "centre"}, "'centre'"),
        ({"dataset": "sample"}, "Did you mean 'samples'?"),
    ],
)
def test_what_cannot_be_evaluated(options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as refused:
        inpaint_tf.evaluate(**{"sources": "ns", **SCORED, **options})
    assert words in str(refused.value)


# Export: tests/cli/test_export.py calls the same function.


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(inpaint_tf.UserError, match="'ns' is no network"):
        inpaint_tf.export("ns", "out")
    model = create("autoencoder", width=2)
    network = NetworkInpainter(model, model.mask_mode, "small")
    with pytest.raises(UserError, match="'small' was not loaded from a file"):
        inpaint_tf.export(network, "out")
    assert not list(tmp_path.iterdir())


def test_positional_arrays() -> None:
    """The interface that programs outside of this repository use."""
    image = np.random.default_rng(0).integers(0, 256, (2, 12, 14, 3), np.uint8)
    mask = np.zeros((2, 12, 14, 1), np.uint8)
    mask[:, 3:6, 4:8] = 1
    for pair in ((image, mask), (image[0], mask[0]), (image[0], mask[0, ..., 0])):
        filled = inpaint_tf.load("ns").fill(*pair)
        assert isinstance(filled, np.ndarray)
        assert (filled.shape, filled.dtype) == (pair[0].shape, np.uint8)
        known = pair[1].reshape(pair[0].shape[:-1]) == 0
        np.testing.assert_array_equal(filled[known], pair[0][known])
