"""The settings of the paper's experiments can be loaded, and are what their names say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import inpaint_tf
from inpaint_tf.training.procedures import load_train_config

FILES = sorted(Path(inpaint_tf.__file__).parent.joinpath("configs").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_settings(path):
    config = load_train_config(path, {})
    assert config.data.dataset in path.stem
    assert config.model.name in path.stem
    assert path.stem.endswith(("finetuned-animals", config.mask.mode))


def test_the_papers_experiments():
    trained = {path.stem: load_train_config(path, {}).iterations for path in FILES}
    assert trained == {
        "autoencoder-animals-hole": 100_000,
        "ca-animals-hole": 150_000,
        "ca-animals-hole_ns": 20_000,
        "ca-animals-mosaic": 50_000,
        "ca-imagenet-finetuned-animals": 70_000,
        "ca-imagenet-hole": 300_000,
        "stable-glcic-animals-hole": 50_000,
    }


def test_autoencoder_is_trained_as_in_its_code():
    path = next(path for path in FILES if path.stem.startswith("autoencoder"))
    config = load_train_config(path, {})
    shape = config.mask.make_shape(config.data.image_size)
    assert (config.data.image_size, shape.height, shape.width) == (128, 64, 64)
    assert shape.centered
    assert shape.max_delta == 0
    assert config.mask.make_mode().color == (255, 255, 255)
    assert (config.batch_size, config.optimizer.learning_rate) == (32, 1e-4)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_head_gives_its_command(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(f"--config inpaint_tf/configs/{path.name}" in line for line in head)
    assert isinstance(yaml.safe_load(path.read_text()), dict)
