"""The generator against pictures that the published implementations gave for the same weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from inpaint_tf.importers.torch_names import assign_generator
from inpaint_tf.models import create


def find_cases(prefix):
    folder = Path(os.environ.get("INPAINT_TF_SHARED", "/nowhere"), "golden")
    names = sorted(path.stem.removeprefix(prefix) for path in folder.glob(f"{prefix}*.npz"))
    return [name for name in names if "weights" not in name] or ["ngf8_64"]


def fill(golden, case, compat, formulation):
    """Return the model's outputs, and the inputs of the case."""
    width = case.split("_")[0]
    model = create(
        "ca", width=int(width.removeprefix("ngf")), compat=compat, formulation=formulation
    )
    assign_generator(model, dict(np.load(golden / f"generator_{width}_weights.npz")))
    arrays = dict(np.load(golden / f"generator_{case}.npz"))
    inputs = (arrays["masked_input"], arrays["mask"])
    assert (arrays["mask"] == arrays["mask"][:1]).all(), "the port uses the first sample's mask"
    return model(inputs, return_attention=True), arrays


@pytest.mark.parametrize("formulation", ["gram", "reference"])
@pytest.mark.parametrize("case", find_cases("generator_"))
def test_port(golden, case, formulation):
    outputs, expected = fill(golden, case, "torch", formulation)
    np.testing.assert_allclose(outputs["coarse"], expected["x_stage1"], atol=2e-5, rtol=0)
    np.testing.assert_allclose(outputs["refined"], expected["x_stage2"], atol=3e-4, rtol=0)
    # Places that attend to two patches alike may choose either.
    agree = np.all(np.asarray(outputs["offsets"]) == expected["offsets"], axis=-1)
    assert agree.mean() > 0.98


@pytest.mark.parametrize("formulation", ["gram", "reference"])
@pytest.mark.parametrize("case", find_cases("tf_v1_generator_"))
def test_2018_release(golden, case, formulation):
    outputs, _ = fill(golden, case, "tf1", formulation)
    expected = np.load(golden / f"tf_v1_generator_{case}.npz")
    np.testing.assert_allclose(outputs["coarse"], expected["x_stage1"], atol=2e-5, rtol=0)
    np.testing.assert_allclose(outputs["refined"], expected["x_stage2"], atol=3e-4, rtol=0)
