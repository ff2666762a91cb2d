"""The critics and the gradient penalty against the PyTorch port."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from inpaint_tf.importers.torch_names import assign_critic
from inpaint_tf.models import create_critic
from neuralgym_lite import gan

FOLDER = Path(os.environ.get("INPAINT_TF_SHARED", "/nowhere"), "golden")
KINDS = [kind for kind in ("local", "global") if (FOLDER / f"critic_{kind}_ndf16.npz").exists()]


@pytest.fixture(scope="module", params=KINDS or ["local"])
def case(golden, request):
    arrays = dict(np.load(golden / f"critic_{request.param}_ndf16.npz"))
    weights = {name[2:]: array for name, array in arrays.items() if name.startswith("w:")}
    critic = create_critic(request.param, width=16, compat="torch")
    assign_critic(critic, weights)
    return critic, arrays


@pytest.mark.parametrize("which", ["real", "fake"])
def test_scores(case, which):
    critic, arrays = case
    np.testing.assert_allclose(critic(arrays[which]), arrays[f"out_{which}"], rtol=1e-5)


def test_gradient_penalty(case):
    critic, arrays = case
    between = gan.interpolate(arrays["real"], arrays["fake"], arrays["alpha"])
    gradients = gan.input_gradients(critic, ops.convert_to_tensor(between))
    norms = np.sqrt(np.sum(np.square(gradients), axis=(1, 2, 3)))
    np.testing.assert_allclose(norms, arrays["grad_norm"], rtol=1e-5)
    assert float(gan.gradient_penalty(gradients)) == pytest.approx(float(arrays["gp"]), rel=1e-5)


def test_masked_gradient_penalty(case):
    critic, arrays = case
    between = gan.interpolate(arrays["real"], arrays["fake"], arrays["alpha"])
    gradients = gan.input_gradients(critic, ops.convert_to_tensor(between))
    mask = np.any(arrays["real"] != arrays["fake"], axis=-1, keepdims=True)
    penalty = gan.gradient_penalty(gradients, mask)
    assert float(penalty) == pytest.approx(float(arrays["gp_masked_jiahui"]), rel=1e-5)


def test_losses(case):
    critic, arrays = case
    real, fake = critic(arrays["real"]), critic(arrays["fake"])
    expected = arrays["out_fake"].mean() - arrays["out_real"].mean()
    assert float(gan.critic_loss(real, fake)) == pytest.approx(expected, rel=1e-4)
    assert float(gan.generator_loss(fake)) == pytest.approx(-arrays["out_fake"].mean(), rel=1e-5)
