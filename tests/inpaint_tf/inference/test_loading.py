"""Model files that could run code are refused before anything of them is made."""

from __future__ import annotations

import json
import zipfile

import keras
import pytest

import inpaint_tf
from inpaint_tf.models import create
from neuralgym_lite.errors import UserError


def refuse(path, words):
    with pytest.raises(UserError, match=words) as error:
        inpaint_tf.load(path)
    assert "\n" not in str(error.value)


def edit(path, change):
    """Change the config of a saved model."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    change(config)
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def test_a_lambda_is_not_run(tmp_path):
    sentinel = tmp_path / "it-ran"
    code = f"lambda x: (open({str(sentinel)!r}, 'w').close(), x)[1]"
    inputs = keras.Input((4,))
    outputs = keras.layers.Lambda(eval(code), output_shape=(4,))(inputs)
    path = tmp_path / "lambda.keras"
    keras.Model(inputs, outputs).save(path)
    sentinel.unlink(missing_ok=True)
    keras.models.load_model(path, safe_mode=False)(keras.ops.zeros((1, 4)))
    assert sentinel.exists(), "this file is harmless and tests nothing"
    sentinel.unlink()
    refuse(path, r"lambda\.keras' has a Lambda layer.* refused")
    (tmp_path / "model").mkdir()
    path.rename(tmp_path / "model" / "generator.keras")
    refuse(tmp_path / "model", r"generator\.keras' has a Lambda layer")
    assert not sentinel.exists()


def test_a_lambda_inside_of_a_model_of_ours(tmp_path):
    path = tmp_path / "model.keras"
    create("ca", width=2).save(path)
    hidden = {"class_name": "__lambda__", "config": {"code": "4wAA"}}
    edit(path, lambda config: config["config"].update(name=[{"deep": hidden}]))
    refuse(path, "has a Lambda layer")


@pytest.mark.parametrize("name", ["os>system", None, "Functional", ["x"], 3])
def test_other_classes(tmp_path, name):
    path = tmp_path / "model.keras"
    create("ca", width=2).save(path)
    edit(path, lambda config: config.update(registered_name=name, module="os"))
    refuse(path, "not an inpainting model|cannot be read")


def test_a_config_that_is_too_long(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(1 << 24))
    refuse(path, "too long")
