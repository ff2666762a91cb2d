"""One function reads every format, and says by name what is wrong with a file."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from layer_harness import random
from safetensors.numpy import save_file
from weight_files import critic_dict, generator_dict, release_dict, save_tf1, save_torch

from inpaint_tf.importers.checkpoint import read_checkpoint
from inpaint_tf.models import create, create_critic
from neuralgym_lite.errors import UserError


@pytest.fixture(scope="module")
def arrays():
    return generator_dict(create("ca", width=2))


@pytest.fixture(scope="module")
def files(tmp_path_factory, arrays):
    folder = tmp_path_factory.mktemp("port")
    save_torch(folder / "gen_00000001.pt", arrays)
    critic = critic_dict(create_critic("local", size=32, width=2))
    save_torch(folder / "dis_00000001.pt", {"localD": critic})
    return folder


def test_the_critics_beside(files):
    imported = read_checkpoint(files / "gen_00000001.pt")
    assert (imported.architecture, imported.generator.compat) == ("ca", "torch")
    assert list(imported.critics) == ["local"]
    assert [path.name for path in imported.files] == ["gen_00000001.pt", "dis_00000001.pt"]
    assert "ask the author" in imported.licence


def test_no_critics_beside(files, tmp_path):
    for name in ("gen_7.pt", "model.pt"):
        shutil.copy(files / "gen_00000001.pt", tmp_path / name)
        assert read_checkpoint(tmp_path / name).critics == {}
    named = read_checkpoint(tmp_path / "model.pt", critics=files / "dis_00000001.pt")
    assert list(named.critics) == ["local"]


def test_mask_modes(files, tmp_path):
    path = shutil.copy(files / "gen_00000001.pt", tmp_path)
    mode = read_checkpoint(path, mask="mosaic").generator.mask_mode
    assert (mode.name, mode.unit, mode.interpolation) == ("mosaic", 12, "nearest")
    with pytest.raises(UserError, match="Did you mean 'mosaic'"):
        read_checkpoint(path, mask="mosiac")


def test_stable_glcic_of_the_papers_code(tmp_path):
    source = create("stable-glcic", width=2, compat="torch", wiring="paper-code")
    arrays = generator_dict(source)
    imported = read_checkpoint(save_torch(tmp_path / "gen_3.pt", arrays))
    assert (imported.architecture, imported.generator.wiring) == ("stable-glcic", "paper-code")
    layers = {layer.name: layer for layer in imported.generator.refinement.chain}
    for name, layer in layers.items():
        kernel = arrays[f"fine_generator.{name}.conv.weight"]
        np.testing.assert_array_equal(layer.kernel.value, kernel.transpose(2, 3, 1, 0))
    # Its second network sees neither the first one's guess nor the hole.
    mask = np.zeros((1, 16, 16, 1), "float32")
    mask[:, 4:9, 4:9] = 1
    image = random(1, 16, 16, 3) * (1 - mask)
    ones, zeros = np.ones_like(mask), np.zeros_like(mask)
    seen = imported.generator.refinement(np.concatenate([image, ones, zeros], axis=-1))
    np.testing.assert_array_equal(imported.generator((image, mask))["refined"], seen)


def test_the_2018_release(arrays, tmp_path):
    save_tf1(tmp_path / "snap-0", release_dict(arrays))
    imported = read_checkpoint(tmp_path)
    assert (imported.architecture, imported.generator.compat) == ("ca", "tf1")
    assert imported.licence.startswith("CC BY-NC 4.0")
    assert [path.name for path in imported.files][0] == "snap-0.index"
    with pytest.raises(UserError, match="Leave out `critics`"):
        read_checkpoint(tmp_path, critics=tmp_path / "dis.pt")


def test_files_that_cannot_be_imported(files, arrays, tmp_path):
    critics = files / "dis_00000001.pt"
    with pytest.raises(UserError, match=r"dis_00000001\.pt': These are critics"):
        read_checkpoint(critics)
    with pytest.raises(UserError, match=r"gen_00000001\.pt': These are not critics"):
        read_checkpoint(files / "gen_00000001.pt", critics=files / "gen_00000001.pt")
    with pytest.raises(UserError, match="There is no checkpoint"):
        read_checkpoint(tmp_path / "none.pt")
    (tmp_path / "model.keras").touch()
    with pytest.raises(UserError, match="needs no import"):
        read_checkpoint(tmp_path / "model.keras")
    wrong = {**arrays, "fine_generator.conv3.conv.bias": np.zeros(3, "float32")}
    path = save_torch(tmp_path / "wrong.pt", wrong)
    with pytest.raises(UserError, match=r"wrong\.pt'.*'fine_gen.*shape \(3,\), expected \(4,\)"):
        read_checkpoint(path)


def test_safetensors(files, arrays, tmp_path):
    path = tmp_path / "gen_00000001.safetensors"
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    imported = read_checkpoint(path)
    assert (imported.format, imported.critics, imported.files) == ("safetensors", {}, (path,))
    assert imported.left_out == 0
    same = read_checkpoint(files / "gen_00000001.pt").generator.get_weights()
    for ours, theirs in zip(imported.generator.get_weights(), same, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("wrapper", ["state_dict", "generator", "model"])
def test_the_state_of_a_whole_training(arrays, tmp_path, wrapper):
    critic = critic_dict(create_critic("local", size=32, width=2))
    state = {"step": np.zeros(3, "float32"), "exp_avg": np.ones(3, "float32")}
    tree = {
        "epoch": 3,
        wrapper: {"netG": {f"module.{name}": array for name, array in arrays.items()}},
        "netD": {"localD": critic},
        "optimizer_states": [{"state": {"0": state}, "param_groups": [{"lr": 1}]}],
    }
    path = save_torch(tmp_path / "last.ckpt", tree)
    imported = read_checkpoint(path)
    assert (imported.generator.width, list(imported.critics)) == (2, ["local"])
    assert (imported.files, imported.left_out) == ((path,), 2)
    assert list(read_checkpoint(path, critics=path).critics) == ["local"]
