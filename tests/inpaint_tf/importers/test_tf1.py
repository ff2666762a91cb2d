"""Checkpoints of the 2018 release: found, read, and turned from BGR to RGB."""

from __future__ import annotations

import numpy as np
import pytest
from layer_harness import random
from weight_files import generator_dict, release_dict, save_tf1

from inpaint_tf.importers import tf1
from inpaint_tf.importers.torch_names import assign_generator
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import create, create_critic
from neuralgym_lite.errors import UserError


@pytest.fixture(scope="module")
def model():
    return create("ca", width=2, compat="tf1")


@pytest.fixture(scope="module")
def release(model):
    """The release's weights, and the same network here."""
    arrays = generator_dict(model)
    assign_generator(model, arrays)
    return release_dict(arrays)


def critics_dict(critics):
    """Write critics' weights as the release names and lays them out, random ones."""
    arrays = {}
    for kind, critic in critics.items():
        for layer in critic.layers:
            name = f"discriminator_{kind}/{layer.name}"
            name = f"dout_{kind}_fc" if layer.name == "linear" else name
            for part, variable in (("kernel", layer.kernel), ("bias", layer.bias)):
                value = random(*variable.shape, seed=len(arrays))
                arrays[f"discriminator/{name}/{part}"] = value
    return arrays


@pytest.fixture
def prefix(tmp_path, release):
    slots = {"global_step": np.int64(7), "beta1_power": np.float32(0.5), "lr": np.float32(1e-4)}
    for name in ("inpaint_net/conv1/kernel", "inpaint_net/allconv17/bias"):
        slots[f"{name}/Adam"] = slots[f"{name}/Adam_1"] = release[name]
    return save_tf1(tmp_path / "snap-0", {**release, **slots})


def test_every_way_to_name_a_checkpoint(prefix, tmp_path):
    names = ("snap-0", "snap-0.index", "snap-0.data-00000-of-00001", "")
    assert {tf1.find_checkpoint(tmp_path / name) for name in names} == {prefix}
    names = {path.name for path in tf1.checkpoint_files(prefix)}
    assert names == {"snap-0.index", "snap-0.data-00000-of-00001"}
    assert tf1.find_checkpoint(tmp_path / "snap-1") is None
    (tmp_path / "checkpoint").unlink()
    assert tf1.find_checkpoint(tmp_path) == prefix


def test_a_folder_that_was_moved(prefix, tmp_path):
    (tmp_path / "snap-1.index").touch()
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/home/author/logs/snap-0"\n')
    assert tf1.find_checkpoint(tmp_path) == prefix


def test_folders_that_do_not_say_which(prefix, tmp_path):
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "snap-9"\n')
    with pytest.raises(UserError, match="names 'snap-9'.*missing"):
        tf1.find_checkpoint(tmp_path)
    (tmp_path / "checkpoint").unlink()
    (tmp_path / "snap-1.index").touch()
    with pytest.raises(UserError, match="must hold one .*Found: snap-0, snap-1"):
        tf1.find_checkpoint(tmp_path)
    (tmp_path / "snap-0.index").unlink()
    with pytest.raises(UserError, match="without its index"):
        tf1.find_checkpoint(tmp_path / "snap-0.data-00000-of-00001")


def test_the_user_never_sees_bgr(prefix, model):
    made = tf1.make_generator(tf1.read_tf1(prefix), MaskMode("mosaic"))
    assert (made.width, made.compat, made.mask_mode.name) == (2, "tf1", "mosaic")
    mask = np.zeros((1, 32, 32, 1), "float32")
    mask[:, 8:20, 8:20] = 1
    inputs = (random(1, 32, 32, 3) * (1 - mask), mask)
    expected = model(inputs)
    for stage, picture in made(inputs).items():
        np.testing.assert_array_equal(picture, expected[stage])
        assert np.ptp(np.asarray(picture), axis=-1).max() > 0.1, "channels are all alike"


def test_the_optimizer_is_left_out(prefix, release):
    arrays = tf1.read_tf1(prefix)
    assert set(arrays) == set(release)


def test_critics(prefix, release, tmp_path):
    made = {
        "local": create_critic("local", size=32, width=4, last_width=32, compat="tf1"),
        "global": create_critic("global", size=64, width=4, compat="tf1"),
    }
    arrays = critics_dict(made)
    read = tf1.read_tf1(save_tf1(tmp_path / "both", {**release, **arrays}))
    critics = tf1.make_critics(read)
    for kind, critic in critics.items():
        assert critic.get_config() == made[kind].get_config()
        for layer in made[kind].layers:
            name = f"discriminator_{kind}/{layer.name}"
            name = f"dout_{kind}_fc" if layer.name == "linear" else name
            layer.kernel.assign(arrays[f"discriminator/{name}/kernel"])
            layer.bias.assign(arrays[f"discriminator/{name}/bias"])
        image = random(2, *critic.size, 3)
        # The release's critic sees blue first.
        np.testing.assert_allclose(
            critic(image), made[kind](image[..., ::-1]), rtol=1e-4, atol=1e-5
        )
    assert tf1.make_critics(release) == {}


def test_weights_of_another_network(release, tmp_path):
    arrays = dict(release)
    del arrays["inpaint_net/xconv1/bias"]
    arrays["inpaint_net/gate/kernel"] = np.zeros(3, "float32")
    with pytest.raises(UserError, match="xconv1/bias' is missing, .*gate/kernel' is left over"):
        tf1.make_generator(arrays, MaskMode())
    other = save_tf1(tmp_path / "other", {"dense/kernel": np.zeros(3, "float32")})
    with pytest.raises(UserError, match="2018 release.*found 'dense/kernel'"):
        tf1.read_tf1(other)


@pytest.mark.parametrize("part", ["snap-0.index", "snap-0.data-00000-of-00001"])
@pytest.mark.parametrize("how", ["gone", "empty", "half", "changed"])
def test_damage(prefix, part, how):
    file = prefix.with_name(part)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "half": data[: len(data) // 2], "changed": data}[how])
    with pytest.raises(UserError, match="is damaged") as error:
        tf1.read_tf1(prefix)
    assert "\n" not in str(error.value)
