"""The paper's networks against NumPy, in every dialect of the weights."""

from __future__ import annotations

import network_oracle as oracle
import numpy as np
import pytest
from weight_files import critic_dict, generator_dict

from inpaint_tf.importers.torch_names import assign_critic, assign_generator
from inpaint_tf.models import create, create_critic

COMPAT = ("keras", "torch", "tf1")


def scaled(weights):
    """Return weights that keep the size of what passes through, so that nothing is clipped."""
    return {
        name: value * (0.1 if value.ndim == 1 else np.sqrt(1.2 / value[0].size))
        for name, value in weights.items()
    }


@pytest.mark.parametrize("formulation", ["gram", "reference"])
@pytest.mark.parametrize("compat", COMPAT)
def test_generator(compat, formulation):
    rng = np.random.default_rng(0)
    model = create("ca", width=4, compat=compat, formulation=formulation)
    weights = scaled(generator_dict(model))
    assign_generator(model, weights)
    image = rng.uniform(-1, 1, (2, 32, 48, 3)).astype("float32")
    mask = np.zeros((2, 32, 48, 1), "float32")
    mask[0, 8:24, 16:30] = mask[1, 3:9, 2:40] = 1
    masked = image * (1 - mask)
    outputs = model((masked, mask))
    for i in range(2):
        expected = oracle.generate(masked[i], mask[i], weights, compat)
        np.testing.assert_allclose(outputs["coarse"][i], expected["coarse"], atol=2e-5, rtol=0)
        np.testing.assert_allclose(outputs["refined"][i], expected["refined"], atol=3e-4, rtol=0)
        assert np.std(expected["refined"]) > 0.05, "it is a picture"
        assert np.mean(np.abs(expected["refined"]) < 1) > 0.9, "and not a clipped one"


@pytest.mark.parametrize("compat", COMPAT)
@pytest.mark.parametrize("kind", ["local", "global"])
def test_critic(compat, kind):
    rng = np.random.default_rng(1)
    critic = create_critic(kind, size=(32, 64), width=4, compat=compat)
    weights = scaled(critic_dict(critic))
    assign_critic(critic, weights)
    pictures = rng.uniform(-1, 1, (2, 32, 64, 3)).astype("float32")
    expected = [oracle.criticize(each, weights, compat) for each in pictures]
    np.testing.assert_allclose(np.asarray(critic(pictures))[:, 0], expected, rtol=1e-5, atol=1e-5)
