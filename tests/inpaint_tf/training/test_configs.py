"""The settings of the paper's experiments, of each model, and of runs of earlier versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import inpaint_tf
from inpaint_tf import configs
from inpaint_tf.training.config import MODEL_CONFIGS, GLCICModelConfig, TrainConfig
from inpaint_tf.training.procedures import load_train_config
from neuralgym_lite.config import Config, load_config, to_flat
from neuralgym_lite.errors import UserError

FILES = sorted(Path(inpaint_tf.__file__).parent.joinpath("configs").glob("*.yaml"))
# As versions that stored the keys of all models wrote them in config.json, for small runs.
OLD = json.loads(Path(__file__).with_name("old_settings.json").read_text())
SMALL = {
    "data": {"dataset": "samples", "image_size": 32},
    "mask": {"color": "grey"},
    "batch_size": 2,
    "iterations": 6,
    "precision": "float32",
}


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
    assert any(line.endswith(f"--config {path.stem}") for line in head)
    assert isinstance(yaml.safe_load(path.read_text()), dict)


# ------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_packaged_configs_have_names(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert path.stem in configs.names()
    assert load_train_config(path.stem, {}) == load_train_config(path, {})
    assert configs.summary(path.stem).endswith(".")
    Path(path.stem).write_text("{model: {name: glcic}}")
    assert load_train_config(path.stem, {}).model.name == "glcic"


def test_unknown_packaged_config():
    with pytest.raises(UserError, match="'ca-animal-hole'.* Did you mean 'ca-animals-hole'?"):
        load_train_config("ca-animal-hole", {})


# ------------------------------------------------------------------------------- settings by model


def fields_of(cls, prefix=""):
    for name, field in cls.model_fields.items():
        yield f"{prefix}{name}", field
        if isinstance(field.default, Config):
            yield from fields_of(field.annotation, f"{prefix}{name}.")


@pytest.mark.parametrize("model", MODEL_CONFIGS)
def test_every_field_is_described(model):
    for key, field in fields_of(MODEL_CONFIGS[model]):
        section = isinstance(field.default, Config)
        text = field.annotation.__doc__.splitlines()[0] if section else field.description
        assert text, key
        assert text.endswith("."), key


@pytest.mark.parametrize("model", MODEL_CONFIGS)
def test_a_config_is_of_the_class_of_its_model(model):
    config = load_train_config(None, {"model.name": model})
    assert type(config) is MODEL_CONFIGS[model]
    assert config == MODEL_CONFIGS[model]() == TrainConfig(model={"name": model})
    assert load_config(TrainConfig, base=to_flat(config)) == config


def test_a_section_given_in_part_keeps_the_defaults_of_the_model():
    config = load_train_config(None, {"model.name": "glcic", "mask.mode": "mosaic"})
    assert (config.mask.mode, config.mask.color, config.mask.same_box) == ("mosaic", "mean", False)
    assert type(TrainConfig(model=GLCICModelConfig(width=8))) is MODEL_CONFIGS["glcic"]


def test_no_config_lacks_the_settings_of_its_model():
    with pytest.raises(ValueError, match="use `load_train_config`"):
        TrainConfig.model_validate({"model": {"name": "glcic"}})
    with pytest.raises(ValueError, match="should be a valid dictionary or instance of CAModel"):
        MODEL_CONFIGS["ca"](model=GLCICModelConfig())
    assert MODEL_CONFIGS["ca"].model_validate({"model": {"critic_width": 4}}).batch_size == 64


@pytest.mark.parametrize(
    ("override", "owners"),
    [
        ("loss.overlap_weight=3", "context-encoder"),
        ("loss.overlap_weight=10", "context-encoder"),  # its default there
        ("model.wiring=paper-code", "stable-glcic"),
    ],
)
def test_settings_of_other_models_are_refused(override, owners):
    key, value = override.split("=")
    words = f"^{key} is a setting of {owners}[.] Leave it out[.] Received: '?{value}'? in `over"
    with pytest.raises(UserError, match=words):
        load_train_config(None, {"model.name": "ca"}, [override])
    assert load_train_config(None, {"model.name": owners}, [override])


# ----------------------------------------------------------------------------------- earlier files


@pytest.mark.parametrize("model", MODEL_CONFIGS)
def test_config_files_of_earlier_versions_load(model, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(OLD[model]))
    assert {"wiring", "critic_width"} < OLD[model]["model"].keys()
    flags = {**SMALL, "model": {"name": model, "width": 2}}
    assert load_config(TrainConfig, path) == load_train_config(None, flags)


def test_a_foreign_key_that_was_set_is_not_lost_in_silence(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**OLD["ca"], "loss": {"overlap_weight": 3.0}}))
    with pytest.raises(UserError, match=f"setting of context-encoder.* Received: 3.0 in {path}"):
        load_config(TrainConfig, path)
