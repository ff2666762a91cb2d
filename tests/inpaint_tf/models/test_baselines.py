"""The models that the paper compares itself with, through the harness and beyond it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import count, count_outside_norms, lively, run_layer_test, weights_of_chain

from inpaint_tf.models import (
    GLCIC,
    Autoencoder,
    ContextEncoder,
    ContextualAttentionModel,
    StableGLCIC,
    create,
)
from inpaint_tf.models.registry import MODELS

COMPAT = ("keras", "torch", "tf1")
NORMALISED = ("glcic", "context-encoder")
FADING = (*NORMALISED, "autoencoder")
OPTIONS = {"context-encoder": {"image_size": 32}}
BASELINES = tuple(name for name in MODELS if name != "ca")


def masked(batch=2, height=32, width=32, seed=0):
    """Return photographs of noise with a hole, and the masks."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((batch, height, width, 1), "float32")
    mask[:, height // 4 : -(height // 4), 2 : width // 2] = 1
    images = rng.uniform(-1, 1, (batch, height, width, 3)).astype("float32")
    return images * (1 - mask), mask


def small(name, **options):
    model = create(name, width=4, **OPTIONS.get(name, {}), **options)
    return lively(model) if name in FADING else model


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


# The contract of all layers.


@pytest.mark.parametrize("compat", COMPAT)
def test_autoencoder(compat):
    def make(**kwargs):
        return lively(Autoencoder(4, compat, "hole_telea", **kwargs))

    encoder = [(3, filters) for filters in (4, 4, 8, 8, 16, 16, 32, 32)]
    weights = weights_of_chain(3, *encoder, (2, 16), (2, 8), (2, 4), (2, 4), (1, 3))
    shape = {"refined": (2, 32, 16, 3)}
    run_layer_test(make, (masked(width=16),), shape, weights, bfloat16_output="float32")


@pytest.mark.parametrize("compat", COMPAT)
def test_context_encoder(compat):
    def make(**kwargs):
        return lively(ContextEncoder(32, 4, compat, **kwargs))

    dense = 32 * (2**4 + 2**2)
    encoder = weights_of_chain(3, (4, 4), (4, 8), (4, 16), (4, 32), (1, 32))
    decoder = weights_of_chain(32, (4, 16), (4, 8), (4, 4), (4, 3))
    norms = 2 * (8 + 16 + 32 + 32 + 16 + 8 + 4)
    run_layer_test(
        make,
        (masked(),),
        {"refined": (2, 32, 32, 3)},
        weights=encoder + dense + decoder + norms,
        non_trainable=norms,
        bfloat16_output="float32",
    )


@pytest.mark.parametrize("compat", COMPAT)
def test_glcic(compat):
    def make(**kwargs):
        return lively(GLCIC(4, compat, {"name": "mosaic", "unit": 5}, **kwargs))

    body = [(3, 8), (3, 8), *[(3, 16)] * 9, (4, 8), (3, 8), (4, 4), (3, 2)]
    norms = 2 * (4 + sum(filters for _, filters in body))
    run_layer_test(
        make,
        (masked(height=20, width=12),),
        {"refined": (2, 20, 12, 3)},
        weights=weights_of_chain(4, (5, 4), *body, (3, 3)) + norms,
        non_trainable=norms,
        bfloat16_output="float32",
    )


@pytest.mark.parametrize(
    ("compat", "wiring"),
    [("keras", "composite"), ("torch", "paper-code"), ("tf1", "composite")],
)
def test_stable_glcic(compat, wiring):
    def make(**kwargs):
        return StableGLCIC(4, compat, wiring=wiring, **kwargs)

    body = [(3, 8), (3, 8), *[(3, 16)] * 9, (3, 8), (3, 8), (3, 4), (3, 2), (3, 3)]
    shape = {"coarse": (2, 12, 20, 3), "refined": (2, 12, 20, 3)}
    weights = 2 * weights_of_chain(5, (5, 4), *body)
    inputs = (masked(height=12, width=20),)
    run_layer_test(make, inputs, shape, weights, bfloat16_output="float32")


# The paper's sizes.


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("autoencoder", 5_390_595),
        ("glcic", 6_066_179),
        ("stable-glcic", 2_896_454),
        ("ca", 3_601_542),
    ],
)
def test_weights_outside_norms(name, weights):
    model = create(name)
    assert count_outside_norms(model) == weights
    assert (model.count_params() == weights) == (name not in NORMALISED)


def test_halves_of_stable_glcic_are_alike():
    model = create("stable-glcic")
    assert count(model.coarse.weights) == count(model.refinement.weights) == 1_448_227


@pytest.mark.parametrize("image_size", [64, 128])
def test_channelwise_dense_has_m_n4_weights(image_size):
    dense = create("context-encoder", image_size=image_size).chain[4]
    assert count([dense.kernel]) == 512 * (image_size // 16) ** 4


# What all of them promise.


@pytest.mark.parametrize("name", MODELS)
def test_smallest_and_uneven_sizes(name):
    model = small(name)
    unit = model.multiple
    sizes = [(unit, unit), (3 * unit, 2 * unit), (unit, 5 * unit)]
    for height, width in sizes if model.fixed_size is None else [(model.fixed_size,) * 2]:
        outputs = model(masked(1, height, width))
        assert outputs["refined"].shape == (1, height, width, 3)


@pytest.mark.parametrize("name", MODELS)
def test_sizes_unknown_to_the_graph(name):
    model = small(name)
    image, mask = tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, None, None, 1))

    @tf.function(input_signature=(image, mask))
    def fill(*inputs):
        return model(inputs, training=False)["refined"]

    for batch in (1, 2):
        inputs = masked(batch)
        np.testing.assert_allclose(fill(*inputs), model(inputs)["refined"], atol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_samples_do_not_see_each_other(name):
    model = small(name)
    images, masks = masked()
    together = model((images, masks))["refined"]
    for i in range(2):
        alone = model((images[i : i + 1], masks[i : i + 1]))["refined"]
        np.testing.assert_allclose(together[i], alone[0], atol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_pictures_stay_in_range(name):
    model = small(name)
    model.set_weights([np.abs(5 * weight) for weight in model.get_weights()])
    assert np.abs(model(masked())["refined"]).max() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_only_training_updates_moving_averages(name):
    model = small(name)
    averages = model.non_trainable_variables
    assert bool(averages) == (name in NORMALISED)
    fresh = [np.asarray(average) for average in averages]
    model(masked())
    model(masked(), training=False)
    for average, before in zip(averages, fresh, strict=True):
        np.testing.assert_array_equal(average, before)
    model(masked(), training=True)
    for average, before in zip(averages, fresh, strict=True):
        assert np.any(np.asarray(average) != before), average.path


@pytest.mark.parametrize("name", BASELINES)
def test_dialects_differ_where_odd_windows_stride(name):
    networks = [small(name, compat=compat) for compat in COMPAT]
    for network in networks[1:]:
        network.set_weights(networks[0].get_weights())
    plain, torch, tf1 = (np.asarray(network(masked())["refined"]) for network in networks)
    np.testing.assert_array_equal(plain, tf1)
    differs = name in ("glcic", "stable-glcic")
    assert (np.abs(plain - torch).max() > 1e-4) == differs


@pytest.mark.parametrize(
    ("name", "sees"),
    [("autoencoder", False), ("context-encoder", False), ("glcic", True), ("stable-glcic", True)],
)
def test_who_sees_the_mask(name, sees):
    model = small(name)
    image, mask = masked()
    changed = model((image, mask))["refined"] - model((image, 1 - mask))["refined"]
    assert np.any(np.abs(changed) > 1e-6) == sees


# What is special to one.


def stable_pair(wiring):
    """Return two models that differ in the coarse network alone."""
    model, other = (small("stable-glcic", wiring=wiring) for _ in range(2))
    other.set_weights(model.get_weights())
    other.coarse.set_weights([weight + 0.1 for weight in model.coarse.get_weights()])
    return model, other


def test_composite_wiring_refines_the_coarse_picture_in_the_hole():
    model, other = stable_pair("composite")
    image, mask = masked()
    changed = np.abs(model((image, mask))["refined"] - other((image, mask))["refined"])
    assert changed.max() > 1e-4
    whole = (image, np.zeros_like(mask))
    np.testing.assert_array_equal(model(whole)["refined"], other(whole)["refined"])


def test_paper_code_wiring_ignores_the_coarse_picture_and_the_mask():
    model, other = stable_pair("paper-code")
    image, mask = masked()
    expected = model((image, mask))["refined"]
    np.testing.assert_array_equal(other((image, mask))["refined"], expected)
    np.testing.assert_array_equal(model((image, 1 - mask))["refined"], expected)
    seen = np.concatenate([image, np.ones_like(mask), np.zeros_like(mask)], axis=-1)
    np.testing.assert_allclose(model.refinement(seen), expected, atol=1e-6)


def test_wirings_differ():
    model, other = small("stable-glcic"), small("stable-glcic", wiring="paper-code")
    other.set_weights(model.get_weights())
    ours, theirs = model(masked()), other(masked())
    np.testing.assert_array_equal(ours["coarse"], theirs["coarse"])
    assert np.abs(ours["refined"] - theirs["refined"]).max() > 1e-4


def test_every_pixel_of_the_context_encoder_sees_every_other():
    model = lively(ContextEncoder(64, 4))
    image, mask = masked(1, 64, 64)
    before = np.asarray(model((image, mask))["refined"])
    image[0, 0, 0] += 1
    changed = np.abs(model((image, mask))["refined"] - before)
    assert changed[0, -1, -1].max() > 0


# Bad arguments.


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("autoencoder", {"width": 1}, "`width`.*width=1"),
        ("glcic", {"compat": "tensorflow"}, "`compat`.*'tensorflow'"),
        ("glcic", {"mask_mode": "mosiac"}, "'mosiac'.*Did you mean 'mosaic'"),
        ("stable-glcic", {"wiring": "composit"}, "`wiring`.*'composit'.*mean 'composite'"),
        ("context-encoder", {"image_size": 100}, "multiple of 16.*image_size=100"),
        ("context-encoder", {"image_size": 0}, "`image_size`.*image_size=0"),
        ("context-encoder", {"image_size": 64.0}, "`image_size`.*image_size=64.0"),
    ],
)
def test_bad_option(name, options, message):
    with pytest.raises(ValueError, match=message):
        create(name, **{"width": 4, **options})


def test_context_encoder_refuses_another_size():
    with pytest.raises(ValueError, match=r"32x32 pixels.*\(2, 32, 48, 3\)"):
        small("context-encoder")(masked(height=32, width=48))


def test_attention_is_the_papers_model_only():
    assert [name for name in MODELS if MODELS[name].has_attention] == ["ca"]
    assert MODELS["ca"] is ContextualAttentionModel
