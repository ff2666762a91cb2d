"""Checkpoints of the 2018 release: found, read, and turned from BGR to RGB."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from layer_harness import random
from weight_files import generator_dict, release_dict, save_tf1, save_tf1_index, tf1_entry

from inpaint_tf.importers import tf1, tf1_index
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


KERNEL = "inpaint_net/conv1/kernel"
TWICE = {f"inpaint_net/{i:04}": tf1_entry((1 << 20,), 4 << 20) for i in range(2000)}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({KERNEL: tf1_entry((-5, 5, 5, 2), 1000)}, r"has the shape \[-5, 5, 5, 2\]"),
        ({KERNEL: tf1_entry((2**62, 2**62), 1000)}, "has the shape"),
        ({KERNEL: tf1_entry((0, 2**62, 2**62), 0)}, "has the shape"),
        ({"x": tf1_entry((-1,), 4)}, "'x' has the shape"),
        ({KERNEL: tf1_entry((1,) * 300, 4)}, "has 300 dimensions"),
        ({KERNEL: tf1_entry((2**62,) * 100_000, 4)}, "has 100000 dimensions"),
        ({KERNEL: tf1_entry((2**40,), 2**42)}, "4,398,046,511,104 bytes"),
        ({KERNEL: tf1_entry((5, 5, 5, 2), 2**62)}, "Invalid size"),
        ({KERNEL: tf1_entry((5, 5, 5, 2), 1000, dtype=999)}, "999"),
        ({KERNEL: tf1_entry((5, 5, 5, 2), 1000, offset=-5)}, "-5"),
        ({KERNEL: tf1_entry((5, 5, 5, 2), 1000, shard=7)}, "00007"),
        ({KERNEL: b"\xff" * 20}, "Error parsing"),
        ({"a" * 1001: tf1_entry((1,), 4)}, "key of its index is too long"),
        ({f"{i:05}": tf1_entry((1,), 4) for i in range(10_000)}, "more than 10,000 tensors"),
        (TWICE, "8,388,608,000 bytes, more than its files have"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_index_that_would_end_the_process(tmp_path, entries, words):
    save_tf1_index(tmp_path / "snap-0.index", entries)
    (tmp_path / "snap-0.data-00000-of-00001").write_bytes(bytes(1000))
    with pytest.raises(UserError, match=f"^'{tmp_path / 'snap-0'}' is damaged: .*{words}") as error:
        tf1.read_tf1(tmp_path / "snap-0")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("restarts", [(7,), (0, 7), (1 << 31,)])
def test_an_index_that_begins_between_its_rows(restarts):
    row = b"\0\1\1ab"
    block = row * 3 + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
    with pytest.raises(ValueError, match="rows between rows"):
        list(tf1_index._rows(block))
    with pytest.raises(ValueError, match="is cut"):
        list(tf1_index._rows(struct.pack("<I", 9)))
