"""Published checkpoints through the importer give what their own programs gave."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from weight_files import release_dict, save_tf1

from inpaint_tf.importers.checkpoint import read_checkpoint
from inpaint_tf.importers.probe import LIMIT, differences
from inpaint_tf.importers.torch_zip import read_torch

FOLDER = Path(os.environ.get("INPAINT_TF_SHARED", "/nowhere"), "golden")
PORT = sorted(path.parent.name for path in FOLDER.glob("checkpoint_*/gen_00000001.pt"))
RELEASE = sorted(path.stem for path in FOLDER.glob("tf_v1_generator_*.npz"))


@pytest.mark.parametrize("name", PORT or ["checkpoint_ngf8"])
def test_port(golden, name):
    imported = read_checkpoint(golden / name / "gen_00000001.pt")
    width = name.removeprefix("checkpoint_")
    assert (imported.architecture, f"ngf{imported.generator.width}") == ("ca", width)
    for case in sorted(golden.glob(f"generator_{width}_[0-9]*.npz")):
        found = differences(imported.generator, dict(np.load(case)))
        assert found["coarse"] <= 2e-5
        assert found["refined"] <= LIMIT


@pytest.mark.parametrize("name", RELEASE or ["tf_v1_generator_ngf8_64"])
def test_2018_release(golden, name, tmp_path):
    # The golden graph was fed RGB. With its picture channels turned round it is a release that was
    # trained on BGR, and must give the same here, where it is fed RGB again.
    case = name.removeprefix("tf_v1_")
    width = case.split("_")[1]
    weights = dict(np.load(golden / f"generator_{width}_weights.npz"))
    imported = read_checkpoint(save_tf1(tmp_path / "snap-0", release_dict(weights)))
    assert (imported.generator.compat, f"ngf{imported.generator.width}") == ("tf1", width)
    inputs, outputs = np.load(golden / f"{case}.npz"), np.load(golden / f"{name}.npz")
    probe = {key: inputs[key] for key in ("masked_input", "mask")}
    probe |= {key: outputs[key] for key in ("x_stage1", "x_stage2")}
    found = differences(imported.generator, probe)
    assert found["coarse"] <= 2e-5
    assert found["refined"] <= LIMIT


def test_critics(golden):
    folder = golden / "checkpoint_ngf8"
    critics = read_checkpoint(folder / "gen_00000001.pt").critics
    assert {kind: critic.size for kind, critic in critics.items()} == {
        "local": (128, 128),
        "global": (256, 256),
    }
    weights = read_torch(folder / "dis_00000001.pt")
    compared = 0
    for kind, critic in critics.items():
        path = golden / f"critic_{kind}_ndf16.npz"
        if not path.exists():
            continue
        arrays = np.load(path)
        # The scores below are of these weights, so the dense head is in the right order too.
        for name in (name for name in arrays if name.startswith("w:")):
            np.testing.assert_array_equal(weights[f"{kind}D.{name[2:]}"], arrays[name])
        for which in ("real", "fake"):
            np.testing.assert_allclose(critic(arrays[which]), arrays[f"out_{which}"], rtol=1e-5)
        compared += 1
    assert compared


def test_tensors_are_those_of_the_trainer(golden):
    expected = np.load(golden / "losses_trainer_weights.npz")
    folder = golden / "checkpoint_ngf8"
    read = {f"netG.{k}": v for k, v in read_torch(folder / "gen_00000001.pt").items()}
    read |= read_torch(folder / "dis_00000001.pt")
    assert set(read) == set(expected.files)
    for name, array in read.items():
        np.testing.assert_array_equal(array, expected[name])
