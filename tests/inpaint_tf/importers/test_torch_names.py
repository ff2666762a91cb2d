"""Weights under the names and layouts of the PyTorch port."""

from __future__ import annotations

import numpy as np
import pytest
from layer_harness import random

from inpaint_tf.importers.torch_names import assign_critic, assign_generator
from inpaint_tf.models import create, create_critic
from neuralgym_lite.errors import UserError


def state_dict(model):
    """Write a generator's weights as PyTorch would name and lay them out."""
    arrays = {}
    for stage, network in (("coarse", model.coarse), ("fine", model.refinement)):
        for weight in network.weights:
            layer, kind = weight.path.split("/")[-2:]
            value = random(*weight.shape, seed=len(arrays))
            if kind == "kernel":
                arrays[f"{stage}_generator.{layer}.conv.weight"] = value.transpose(3, 2, 0, 1)
            else:
                arrays[f"{stage}_generator.{layer}.conv.bias"] = value
    return arrays


@pytest.fixture
def model():
    return create("ca", width=2, compat="torch")


@pytest.fixture
def critic():
    return create_critic("local", size=(32, 48), width=2, compat="torch")


def critic_dict(critic):
    arrays = {}
    for conv in critic.convs:
        filters, channels = conv.kernel.shape[3], conv.kernel.shape[2]
        name = f"dis_conv_module.{conv.name}.conv"
        arrays[f"{name}.weight"] = random(filters, channels, 5, 5, seed=len(arrays))
        arrays[f"{name}.bias"] = random(filters, seed=len(arrays))
    arrays["linear.weight"] = random(1, critic.score.kernel.shape[0], seed=99)
    arrays["linear.bias"] = random(1, seed=100)
    return arrays


def test_every_weight_of_the_generator_finds_its_place(model):
    arrays = state_dict(model)
    assert len(arrays) == 84
    assign_generator(model, arrays)
    kernel = arrays["fine_generator.pmconv4_downsample.conv.weight"]
    actual = {layer.name: layer for layer in model.refinement.describe}["pmconv4_downsample"]
    np.testing.assert_array_equal(actual.kernel.value, kernel.transpose(2, 3, 1, 0))
    upsampled = {layer.name: layer for layer in model.coarse.chain}["conv13"]
    kernel = arrays["coarse_generator.conv13.conv.weight"]
    np.testing.assert_array_equal(upsampled.kernel.value, kernel.transpose(2, 3, 1, 0))
    stored = sorted(float(np.sum(array, dtype="float64")) for array in arrays.values())
    found = sorted(float(np.sum(w.numpy(), dtype="float64")) for w in model.weights)
    np.testing.assert_allclose(found, stored, atol=1e-4)


def test_dense_weights_of_the_critic_are_reordered(critic):
    arrays = critic_dict(critic)
    assign_critic(critic, arrays)
    image = random(2, 32, 48, 3)
    features = image
    for conv in critic.convs:
        features = np.asarray(conv(features))
        features = np.maximum(features, 0.2 * features)
    # PyTorch flattens channels first.
    flat = features.transpose(0, 3, 1, 2).reshape(2, -1)
    expected = flat @ arrays["linear.weight"].T + arrays["linear.bias"]
    np.testing.assert_allclose(critic(image), expected, rtol=1e-4)


def test_half_precision_is_widened(model):
    arrays = {name: array.astype("float16") for name, array in state_dict(model).items()}
    assign_generator(model, arrays)
    assert all(weight.dtype == "float32" for weight in model.weights)


@pytest.mark.parametrize("change", ["missing", "left over", "shape"])
def test_weights_of_another_generator(model, change):
    arrays, before = state_dict(model), model.get_weights()
    name = "coarse_generator.conv3.conv.weight"
    if change == "missing":
        del arrays[name]
    elif change == "left over":
        name = "fine_generator.conv99.conv.bias"
        arrays[name] = np.zeros(3)
    else:
        arrays[name] = np.zeros((9, 4, 3, 3))
    with pytest.raises(UserError, match=f"another network: '{name}'"):
        assign_generator(model, arrays)
    for left, right in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, right)


def test_critic_of_another_size(critic):
    arrays = critic_dict(create_critic("local", size=(64, 64), width=2))
    with pytest.raises(UserError, match="another network: 'linear.weight'"):
        assign_critic(critic, arrays)


def test_critic_without_its_dense_weights(critic):
    arrays = critic_dict(critic)
    del arrays["linear.weight"]
    with pytest.raises(UserError, match="another network: 'linear.weight'"):
        assign_critic(critic, arrays)
