"""Probes: what the source gave is compared, and a probe that is none is refused."""

from __future__ import annotations

import numpy as np
import pytest
from layer_harness import random

from inpaint_tf.importers.probe import differences, formulations_differ, read_probe
from inpaint_tf.models import create
from neuralgym_lite.errors import UserError


@pytest.fixture(scope="module")
def model():
    return create("ca", width=2, compat="torch")


@pytest.fixture(scope="module")
def arrays(model):
    mask = np.zeros((2, 24, 32, 1), "float32")
    mask[:, 8:16, 8:20] = 1
    masked = random(2, 24, 32, 3) * (1 - mask)
    outputs = model((masked, mask))
    stages = {"x_stage1": outputs["coarse"].numpy(), "x_stage2": outputs["refined"].numpy()}
    return {"masked_input": masked, "mask": mask, **stages}


def test_differences(model, arrays, tmp_path):
    np.savez(tmp_path / "probe.npz", flow=np.zeros(3), **arrays)
    probe = read_probe(tmp_path / "probe.npz")
    assert differences(model, probe) == {"coarse": 0, "refined": 0}
    probe["x_stage1"][1, 3, 4, 2] += 0.25
    found = differences(model, probe)
    assert found == {"coarse": pytest.approx(0.25), "refined": 0}
    probe["x_stage2"][0, 0, 0, 0] = np.nan
    assert np.isnan(differences(model, probe)["refined"])


def test_formulations(model):
    assert 0 <= formulations_differ(model) < 1e-4
    assert formulations_differ(create("stable-glcic", width=2)) is None


def test_formulations_have_the_same_weights(model, monkeypatch):
    # A model that did not get them would differ a lot, and so does one with other attention.
    get_config = type(model).get_config
    monkeypatch.setattr(type(model), "get_config", lambda self: {**get_config(self), "width": 4})
    with pytest.raises(ValueError, match="shape|weights"):
        formulations_differ(model)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": None}, "no array 'mask'"),
        ({"mask": np.zeros((2, 24, 32))}, r"'mask' must be \(2, 24, 32, 1\).*\(2, 24, 32\)"),
        ({"x_stage2": np.zeros((1, 24, 32, 3))}, "'x_stage2' must be"),
        ({"masked_input": np.zeros((2, 24, 30, 3))}, "multiples of 8"),
        ({"masked_input": np.array(["a", None])}, "cannot be read"),
    ],
)
def test_probes_that_are_none(arrays, tmp_path, change, words):
    kept = {name: array for name, array in {**arrays, **change}.items() if array is not None}
    np.savez(tmp_path / "probe.npz", **kept)
    with pytest.raises(UserError, match=words):
        read_probe(tmp_path / "probe.npz")


def test_files_that_are_no_probes(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("text.npz", "one.npy", "none.npz"):
        with pytest.raises(UserError, match=f"{name}' cannot be read"):
            read_probe(tmp_path / name)
