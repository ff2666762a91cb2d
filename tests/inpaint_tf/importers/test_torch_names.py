"""Weights under the names and layouts of the PyTorch port."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from layer_harness import random
from weight_files import critic_dict, generator_dict

from inpaint_tf.importers.torch_names import (
    assign_critic,
    assign_generator,
    has_critics,
    make_critics,
    make_generator,
)
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import create, create_critic
from neuralgym_lite.errors import UserError


@pytest.fixture(scope="module")
def model():
    return create("ca", width=2, compat="torch")


@pytest.fixture(scope="module")
def critic():
    return create_critic("local", size=(32, 48), width=2, compat="torch")


def test_every_weight_of_the_generator_finds_its_place(model):
    arrays = generator_dict(model)
    assert len(arrays) == 84
    assign_generator(model, arrays)
    kernel = arrays["fine_generator.pmconv4_downsample.conv.weight"]
    encoder = {layer.name: layer for layer in model.refinement.attention_encoder}
    actual = encoder["pmconv4_downsample"]
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
    arrays = {name: array.astype("float16") for name, array in generator_dict(model).items()}
    assign_generator(model, arrays)
    assert all(weight.dtype == "float32" for weight in model.weights)


@pytest.mark.parametrize("change", ["missing", "left over", "shape"])
def test_weights_of_another_generator(model, change):
    arrays, before = generator_dict(model), model.get_weights()
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


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.netG._orig_mod."])
@pytest.mark.parametrize("name", ["ca", "stable-glcic"])
def test_a_generator_is_found_out(name, prefix):
    options = {} if name == "ca" else {"wiring": "paper-code"}
    source = create(name, width=6, compat="torch", **options)
    arrays = generator_dict(source)
    assign_generator(source, arrays)
    arrays = {f"{prefix}{key}": array for key, array in arrays.items()}
    found, model = make_generator(arrays, MaskMode("hole_ns"))
    assert (found, model.mask_mode.name) == (name, "hole_ns")
    assert model.get_config() == {
        **source.get_config(),
        "name": model.name,
        "mask_mode": MaskMode("hole_ns").get_config(),
    }
    mask = np.zeros((1, 32, 32, 1), "float32")
    mask[:, 8:20, 8:20] = 1
    image = random(1, 32, 32, 3) * (1 - mask)
    for actual, expected in zip(
        model((image, mask)).values(), source((image, mask)).values(), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


def test_critics_are_found_out():
    made = {
        kind: create_critic(kind, size=size, width=width, last_width=last, compat="torch")
        for kind, size, width, last in (("local", 32, 4, 24), ("global", 64, 6, None))
    }
    arrays = {
        f"{kind}D.module.{name}": array
        for kind, critic in made.items()
        for name, array in critic_dict(critic).items()
    }
    critics = make_critics(arrays)
    for kind, critic in made.items():
        own = f"{kind}D.module."
        assign_critic(critic, {k.removeprefix(own): a for k, a in arrays.items() if own in k})
        assert critics[kind].get_config() == critic.get_config()
        image = random(2, *critic.size, 3)
        np.testing.assert_array_equal(critics[kind](image), critic(image))


def test_every_difference_counts(model):
    arrays = generator_dict(model)
    for layer in ("conv1", "conv2_downsample", "conv3"):
        del arrays[f"coarse_generator.{layer}.conv.bias"]
    arrays["fine_generator.extra.weight"] = np.zeros(2)
    arrays["fine_generator.conv3.conv.bias"] = np.zeros(3)
    with pytest.raises(UserError) as error:
        make_generator(arrays, MaskMode())
    assert "conv1.conv.bias' is missing" in str(error.value)
    assert str(error.value).endswith(", and 2 more.")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_weights_that_are_no_numbers(model, bad):
    arrays = generator_dict(model)
    name = "fine_generator.pmconv5.conv.bias"
    arrays[name] = np.full(8, bad)
    with pytest.raises(UserError, match=f"finite numbers: '{name}'"):
        make_generator(arrays, MaskMode())


@pytest.mark.parametrize("width", [1, 100_000])
def test_a_width_that_no_network_has(model, width):
    arrays = generator_dict(model)
    # Such an array costs nothing, a network of that width all memory.
    arrays["coarse_generator.conv1.conv.weight"] = np.broadcast_to(np.float32(0), (width, 5, 5, 5))
    with pytest.raises(UserError, match=f"{width} channels are not in 2 to 256"):
        make_generator(arrays, MaskMode())


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "no tensors at all"),
        ({"encoder.weight": np.zeros(3)}, "no generator known here: .*found 'encoder.weight'"),
        ({"localD.linear.bias": np.zeros(1)}, "critics.*`critics`"),
    ],
)
def test_no_generator(arrays, words):
    with pytest.raises(UserError, match=words):
        make_generator(arrays, MaskMode())


def test_no_critics(critic):
    with pytest.raises(UserError, match="not critics: .*'coarse_generator.conv1.conv.bias'"):
        make_critics({"coarse_generator.conv1.conv.bias": np.zeros(3)})
    with pytest.raises(UserError, match="not critics: .*no tensors"):
        make_critics({})
    oblong = {f"localD.{name}": array for name, array in critic_dict(critic).items()}
    with pytest.raises(UserError, match="local critic judges no square pictures.* 48 inputs"):
        make_critics(oblong)


PLACES = [
    "module.",
    "netG.",
    "_orig_mod.",
    "state_dict.",
    "generator.",
    "model.",
    "state_dict.netG.module.",
    "model.generator._orig_mod.module.",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_generator_among_other_things(model, place):
    arrays = {f"{place}{name}": array for name, array in generator_dict(model).items()}
    others = {"optimizer_states.0.state.0.exp_avg": np.zeros(3), "netD.conv.weight": np.zeros(3)}
    if place in ("module.", "_orig_mod."):  # as if it lay there alone, where all must fit
        others = {}
    assert make_generator({**others, **arrays}, MaskMode())[1].width == 2
    missing = "fine_generator.conv3.conv.bias"
    del arrays[f"{place}{missing}"]
    with pytest.raises(UserError, match=f"network: '{missing}' is missing[.]$"):
        make_generator({**others, **arrays}, MaskMode())


def test_compiled_parts(model):
    arrays = {
        name.replace("_generator.", "_generator._orig_mod."): array
        for name, array in generator_dict(model).items()
    }
    assert make_generator(arrays, MaskMode())[1].width == 2
    arrays["coarse_generator.conv1.conv.weight"] = np.zeros((2, 5, 5, 5))
    with pytest.raises(UserError, match="Two tensors are called 'coarse_generator.conv1.conv.w"):
        make_generator(arrays, MaskMode())


def test_two_generators(model):
    arrays = generator_dict(model)
    both = {f"{place}.{name}": array for place in ("ema", "net") for name, array in arrays.items()}
    with pytest.raises(UserError, match="several such networks, under 'ema.' and 'net.'"):
        make_generator(both, MaskMode())


@pytest.mark.parametrize("place", ["", *PLACES])
def test_critics_among_other_things(critic, place):
    del critic
    small = create_critic("local", size=32, width=2, compat="torch")
    arrays = {f"{place}localD.{name}": array for name, array in critic_dict(small).items()}
    assert has_critics(arrays)
    assert list(make_critics(arrays)) == ["local"]


@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv4"])
@pytest.mark.parametrize("part", ["weight", "bias"])
def test_what_is_missing_of_a_critic_is_named(layer, part):
    arrays = critic_dict(create_critic("local", size=32, width=4, last_width=24, compat="torch"))
    name = f"dis_conv_module.{layer}.conv.{part}"
    del arrays[name]
    with pytest.raises(UserError, match=f"network: '{name}' is missing[.]$"):
        make_critics({f"localD.{key}": array for key, array in arrays.items()})


KINDS = [
    "coarse_generator.conv1.conv.weight",
    "coarse_generator.conv10_atrous.conv.bias",
    "fine_generator.conv2_downsample.conv.weight",
    "fine_generator.pmconv5.conv.bias",
    "fine_generator.allconv12.conv.weight",
]


@pytest.mark.parametrize("width", [2, 6])
def test_what_is_missing_of_a_generator_is_named(width):
    whole = generator_dict(create("ca", width=width))
    for name in KINDS:
        arrays = {key: array for key, array in whole.items() if key != name}
        with pytest.raises(UserError, match=f"network: '{name}' is missing[.]$"):
            make_generator(arrays, MaskMode())


def test_far_too_few_weights_for_their_width():
    arrays = {
        "coarse_generator.conv1.conv.weight": np.zeros((256, 5, 5, 5)),
        "fine_generator.pmconv1.conv.weight": np.zeros(3),
    }
    with pytest.raises(UserError, match="32,003 numbers, and one of this width has 65,536,000"):
        make_generator(arrays, MaskMode())


def test_weights_that_are_left_over_are_not_converted(model):
    """Each of very many views of one storage would become an array of its own."""
    arrays = generator_dict(model)
    view = np.broadcast_to(np.float64(0), (1 << 24,))
    arrays |= {f"fine_generator.pmconv{i}.conv.bias": view for i in range(100, 200)}
    tracemalloc.start()
    with pytest.raises(UserError, match="left over.* and 97 more"):
        make_generator(arrays, MaskMode())
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
