"""`inpaint-tf import`: what it prints where, and what it leaves behind."""

from __future__ import annotations

import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from weight_files import critic_dict, generator_dict, pack, save_torch

import inpaint_tf
from inpaint_tf.cli.main import main
from inpaint_tf.importers.torch_names import assign_generator
from inpaint_tf.models import create, create_critic


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A generator with its critics, and a probe of it."""
    folder = tmp_path_factory.mktemp("port")
    model = create("ca", width=2, compat="torch")
    arrays = generator_dict(model)
    save_torch(folder / "gen_00000001.pt", arrays)
    critics = {
        f"{kind}D": critic_dict(create_critic(kind, size=32, width=2))
        for kind in ("local", "global")
    }
    save_torch(folder / "dis_00000001.pt", critics)

    assign_generator(model, arrays)
    mask = np.zeros((1, 32, 32, 1), "float32")
    mask[:, 8:20, 8:20] = 1
    masked = (1 - mask) * np.linspace(-1, 1, 32, dtype="float32")[:, None, None].repeat(3, -1)
    outputs = model((masked, mask))
    stages = {"x_stage1": outputs["coarse"].numpy(), "x_stage2": outputs["refined"].numpy()}
    np.savez(folder / "probe.npz", masked_input=masked, mask=mask, **stages)
    stages["x_stage2"] = stages["x_stage2"] + np.float32(4e-4)
    np.savez(folder / "other.npz", masked_input=masked, mask=mask, **stages)
    return folder


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(arguments, capfd):
    """Run the command line; return exit code, stdout and stderr."""
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["inpaint-tf", "import", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            code = end.code
    return (code, *capfd.readouterr())


def test_import(files, capfd):
    arguments = [files / "gen_00000001.pt", "--out", "model", "--licence", "MIT"]
    code, out, err = run([*arguments, "--mask", "hole_ns"], capfd)
    assert (code, out) == (0, "model\n")
    words = (
        "ca, width 2,",
        "dialect torch",
        "mask hole_ns",
        "local critic, 32x32",
        "global critic, 32x32",
        "licence: MIT",
        "not known",
        "both formulations of attention agree to",
    )
    assert [word for word in words if word not in err] == []
    assert inpaint_tf.load("model").name == "model"
    assert json.loads(Path("model/model.json").read_text())["mask"]["name"] == "hole_ns"
    assert {path.name for path in Path("model").glob("*.keras")} == {
        "generator.keras",
        "global_critic.keras",
        "local_critic.keras",
    }


def test_a_probe_that_agrees(files, capfd):
    arguments = [files / "gen_00000001.pt", "--out", "model", "--probe", files / "probe.npz"]
    code, out, err = run(arguments, capfd)
    assert (code, out) == (0, "model\n")
    assert "largest differences from the source: coarse 0.0e+00, refined 0.0e+00" in err
    assert "0.0e+00" in Path("model/MODEL_CARD.md").read_text()


def test_a_probe_that_does_not_agree(files, capfd):
    arguments = [files / "gen_00000001.pt", "--out", "model", "--probe", files / "other.npz"]
    code, out, err = run(arguments, capfd)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "does not give what the probe says" in err
    assert "refined 4.0e-04" in err
    assert list(Path().iterdir()) == []


def test_mistakes(files, capfd):
    generator = files / "gen_00000001.pt"
    Path("taken").mkdir()
    Path("taken/letter").touch()
    cases = {
        (generator,): "--out",
        ("--out", "new"): "CHECKPOINT",
        ("none.pt", "--out", "new"): "There is no checkpoint 'none.pt'",
        (generator, "--out", "taken"): "'taken' exists",
        (generator, "--out", "new", "--mask", "mosiac"): "Did you mean 'mosaic'?",
        (generator, "--out", "new", "--critics", "none.pt"): "'none.pt'",
        (generator, "--out", "new", "--critics", generator): "not critics",
        (generator, "--out", "new", "--probe", "none.npz"): "'none.npz'",
        (files / "dis_00000001.pt", "--out", "new"): "These are critics",
        (files, "--out", "new"): "must hold one TensorFlow checkpoint",
    }
    for arguments, words in cases.items():
        code, out, err = run(arguments, capfd)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert words in err
    assert [path.name for path in Path().iterdir()] == ["taken"]


def test_a_malicious_checkpoint(capfd):
    class Harm:
        def __reduce__(self):
            return os.system, ("touch it-ran",)

    pack(Path("gen.pt"), pickle.dumps({"coarse_generator.conv1.conv.weight": Harm()}, 2), {})
    code, out, err = run(["gen.pt", "--out", "model"], capfd)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"'gen.pt' refers to `{os.name}.system`, which is not a tensor" in err
    assert [path.name for path in Path().iterdir()] == ["gen.pt"]
