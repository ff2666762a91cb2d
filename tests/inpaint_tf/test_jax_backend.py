"""The networks under Keras' JAX backend give the numbers that they give under TensorFlow."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from layer_harness import lively, random

from inpaint_tf.layers import ContextualAttention, NormConv2D
from inpaint_tf.masks import MaskMode, mosaic
from inpaint_tf.models import create, create_critic

COMPAT = ("keras", "torch", "tf1")
BASELINES = ("stable-glcic", "glcic", "context-encoder", "autoencoder")
SCRIPT = """
import sys
import jax, keras, numpy as np
import inpaint_tf.losses
from inpaint_tf.layers import ContextualAttention, NormConv2D
from inpaint_tf.masks import mosaic
from inpaint_tf.models import create, create_critic

assert keras.backend.backend() == "jax"
# Weights come from a file, and JAX would compile an initializer for each of their shapes.
keras.initializers.GlorotUniform.__call__ = lambda self, shape, **_: np.zeros(shape, "float32")
arrays = dict(np.load(sys.argv[1]))
inputs = (arrays["image"], arrays["mask"])
results = {"mosaic": mosaic(arrays["image"], 5)}
for compat in ("keras", "torch", "tf1"):
    attention = jax.jit(ContextualAttention(compat=compat))
    results[f"{compat}_attention"] = attention(arrays["front"], arrays["back"], arrays["mask"])
model = create("ca", width=4, compat="torch")
model.set_weights([arrays[f"model{i}"] for i in range(len(model.weights))])
results |= jax.jit(lambda *inputs: model(inputs, return_attention=True))(*inputs)
critic = create_critic("local", size=(32, 24), width=4)
critic.set_weights([arrays[f"critic{i}"] for i in range(len(critic.weights))])
results["critic"] = critic(arrays["image"])
square = tuple(x[:, :16, :16] for x in inputs)
for name in ("stable-glcic", "glcic", "context-encoder", "autoencoder"):
    model = create(name, width=2, **({"image_size": 16} if name == "context-encoder" else {}))
    model.set_weights([arrays[f"{name}{i}"] for i in range(len(model.weights))])
    results[name] = jax.jit(lambda *inputs: model(inputs)["refined"])(*square)
norm = NormConv2D(5, 3)
norm.build(arrays["image"].shape)
norm.set_weights([arrays[f"norm{i}"] for i in range(6)])
results["norm"] = norm(arrays["image"], training=True)
results |= {f"norm{i}": weight for i, weight in enumerate(norm.get_weights())}
np.savez(sys.argv[2], **{name: np.asarray(value) for name, value in results.items()})
"""


@pytest.fixture(scope="module")
def arrays():
    keras.utils.set_random_seed(0)
    model = create("ca", width=4)
    critic = create_critic("local", size=(32, 24), width=4)
    mask = np.zeros((2, 32, 24, 1), "float32")
    mask[0, 8:20, 4:16], mask[1, 10:26, 8:12] = 1, 1
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (2, 32, 24, 3)).astype("float32")
    return {
        "image": np.asarray(MaskMode("hole").masked_input(image, mask)),
        "mask": mask,
        "front": random(2, 6, 9, 4),
        "back": random(2, 8, 6, 4, seed=1),
        **{f"model{i}": weight for i, weight in enumerate(model.get_weights())},
        **{f"critic{i}": weight for i, weight in enumerate(critic.get_weights())},
        **{
            f"{name}{i}": weight
            for name in BASELINES
            for i, weight in enumerate(baseline(name).get_weights())
        },
        **{f"norm{i}": weight for i, weight in enumerate(norm_conv().get_weights())},
    }


def baseline(name):
    model = create(name, width=2, **({"image_size": 16} if name == "context-encoder" else {}))
    return model if name == "stable-glcic" else lively(model)


def norm_conv():
    layer = NormConv2D(5, 3)
    layer.build((None, None, None, 3))
    return layer


@pytest.fixture(scope="module")
def jax_results(arrays, tmp_path_factory):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed: pip install 'inpaint-tf[jax]'")
    folder = tmp_path_factory.mktemp("jax")
    np.savez(folder / "inputs.npz", **arrays)
    command = [sys.executable, "-c", SCRIPT, folder / "inputs.npz", folder / "results.npz"]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": root}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "results.npz")


def test_model(arrays, jax_results):
    model = create("ca", width=4, compat="torch")
    model.set_weights([arrays[f"model{i}"] for i in range(len(model.weights))])
    outputs = model((arrays["image"], arrays["mask"]), return_attention=True)
    for name in ("coarse", "refined"):
        np.testing.assert_allclose(jax_results[name], outputs[name], atol=1e-4)
    assert jax_results["offsets"].dtype == np.int32
    assert (jax_results["offsets"] == np.asarray(outputs["offsets"])).mean() > 0.95


@pytest.mark.parametrize("compat", COMPAT)
def test_attention(arrays, jax_results, compat):
    outputs = ContextualAttention(compat=compat)(arrays["front"], arrays["back"], arrays["mask"])
    np.testing.assert_allclose(jax_results[f"{compat}_attention"], outputs, atol=1e-4)


def test_critic(arrays, jax_results):
    critic = create_critic("local", size=(32, 24), width=4)
    critic.set_weights([arrays[f"critic{i}"] for i in range(len(critic.weights))])
    np.testing.assert_allclose(jax_results["critic"], critic(arrays["image"]), atol=1e-4)


@pytest.mark.parametrize("name", BASELINES)
def test_baseline(arrays, jax_results, name):
    model = baseline(name)
    model.set_weights([arrays[f"{name}{i}"] for i in range(len(model.weights))])
    outputs = model((arrays["image"][:, :16, :16], arrays["mask"][:, :16, :16]))["refined"]
    assert np.std(outputs) > 1e-3
    np.testing.assert_allclose(jax_results[name], outputs, atol=1e-4)


def test_batch_normalisation_in_training(arrays, jax_results):
    layer = norm_conv()
    layer.set_weights([arrays[f"norm{i}"] for i in range(6)])
    outputs = layer(arrays["image"], training=True)
    np.testing.assert_allclose(jax_results["norm"], outputs, atol=1e-4)
    for i, weight in enumerate(layer.get_weights()):
        np.testing.assert_allclose(jax_results[f"norm{i}"], weight, atol=1e-5)


def test_mosaic(arrays, jax_results):
    np.testing.assert_allclose(jax_results["mosaic"], mosaic(arrays["image"], 5), atol=1e-5)
