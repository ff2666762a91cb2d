"""The coarse and the refinement network, the critic and the whole model, through the harness."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from layer_harness import random, run_layer_test, weights_of_chain

from inpaint_tf.models import ContextualAttentionModel, Critic
from inpaint_tf.models.coarse import CoarseNetwork
from inpaint_tf.models.refinement import RefinementNetwork

COMPAT = ("keras", "torch", "tf1")
# The layer is tested in all combinations; here every dialect and formulation once.
MIXED = [("keras", "gram"), ("torch", "gram"), ("tf1", "reference")]


def pictures(batch=2, height=32, width=24, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (batch, height, width, 3)).astype("float32")


def holes(batch=2, height=32, width=24):
    mask = np.zeros((batch, height, width, 1), "float32")
    for i, sample in enumerate(mask):
        sample[8 + i : 20, 4 : 16 - i] = 1
    return mask


def masked(batch=2, height=32, width=24, seed=0):
    mask = holes(batch, height, width)
    return pictures(batch, height, width, seed) * (1 - mask), mask


DECODER = [(3, 16), (3, 16), (3, 8), (3, 8), (3, 4), (3, 2), (3, 3)]
COARSE = weights_of_chain(5, (5, 4), (3, 8), (3, 8), *[(3, 16)] * 7, *DECODER)
REFINEMENT = (
    weights_of_chain(5, (5, 4), (3, 4), (3, 8), (3, 8), *[(3, 16)] * 6)
    + weights_of_chain(5, (5, 4), (3, 4), (3, 8), *[(3, 16)] * 3)
    + weights_of_chain(16, (3, 16), (3, 16))
    + weights_of_chain(32, *DECODER)
)


# The contract of all layers.


@pytest.mark.parametrize("compat", COMPAT)
def test_coarse_network(compat):
    def make(**kwargs):
        return CoarseNetwork(4, compat, **kwargs)

    inputs = (random(2, 24, 16, 5),)
    run_layer_test(make, inputs, (2, 24, 16, 3), weights=COARSE, bfloat16_output="float32")


@pytest.mark.parametrize(("compat", "formulation"), MIXED)
def test_refinement_network(compat, formulation):
    def make(**kwargs):
        return RefinementNetwork(4, compat, formulation, **kwargs)

    image, mask = masked()
    inputs = (np.concatenate([image, np.ones_like(mask), mask], axis=-1), mask)
    run_layer_test(make, inputs, (2, 32, 24, 3), weights=REFINEMENT, bfloat16_output="float32")


@pytest.mark.parametrize(("compat", "formulation"), MIXED)
def test_contextual_attention_model(compat, formulation):
    def make(**kwargs):
        return ContextualAttentionModel(
            4, compat, {"name": "mosaic", "unit": 5}, formulation, **kwargs
        )

    shape = {"coarse": (2, 32, 24, 3), "refined": (2, 32, 24, 3)}
    run_layer_test(make, (masked(),), shape, weights=COARSE + REFINEMENT, bfloat16_output="float32")


@pytest.mark.parametrize("compat", COMPAT)
@pytest.mark.parametrize(("size", "last_width"), [(32, None), ((24, 40), 6)])
def test_critic(compat, size, last_width):
    def make(**kwargs):
        return Critic(size, 4, last_width, compat, **kwargs)

    height, width = (32, 32) if size == 32 else size
    last = last_width or 16
    cells = -(-height // 16) * -(-width // 16)
    convs = [(5, 4), (5, 8), (5, 16), (5, last)]
    weights = weights_of_chain(3, *convs) + cells * last + 1
    inputs = (pictures(2, height, width),)
    run_layer_test(make, inputs, (2, 1), weights=weights, bfloat16_output="float32")


# What the networks promise beyond it.


@pytest.fixture(scope="module")
def model():
    return ContextualAttentionModel(width=4)


def test_pictures_are_clipped(model):
    wild = ContextualAttentionModel(width=4)
    wild.set_weights([5 * weight for weight in model.get_weights()])
    for name, picture in wild(masked()).items():
        assert np.abs(picture).max() == 1, name


def test_offsets_only_on_request(model):
    assert set(model(masked())) == {"coarse", "refined"}
    outputs = model(masked(), return_attention=True)
    assert outputs["offsets"].shape == (2, 4, 3, 2)
    assert outputs["offsets"].dtype == tf.int32
    np.testing.assert_allclose(outputs["refined"], model(masked())["refined"], atol=1e-6)


def test_samples_do_not_see_each_other(model):
    images, masks = masked()
    together = model((images, masks))
    for i in range(2):
        alone = model((images[i : i + 1], masks[i : i + 1]))
        for name in together:
            np.testing.assert_allclose(together[name][i], alone[name][0], atol=1e-5)


def test_does_not_look_into_the_hole_of_the_coarse_picture(model):
    # The refinement sees the coarse picture where the mask is 1 and nowhere else.
    images, masks = masked()
    nothing = np.zeros_like(masks)
    other = ContextualAttentionModel(width=4)
    other.set_weights(model.get_weights())
    other.coarse.set_weights([weight + 0.1 for weight in model.coarse.get_weights()])
    expected = model((images, nothing))["refined"]
    np.testing.assert_array_equal(other((images, nothing))["refined"], expected)
    changed = other((images, masks))["refined"] - model((images, masks))["refined"]
    assert np.abs(changed).max() > 1e-4


def test_gradient_of_the_refined_picture_reaches_the_coarse_network(model):
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(masked(), training=True)["refined"] ** 2)
    variables = [variable.value for variable in model.coarse.trainable_variables]
    assert all(np.any(gradient) for gradient in tape.gradient(total, variables))


@pytest.mark.parametrize(("compat", "formulation"), MIXED)
def test_sizes_unknown_to_the_graph(compat, formulation):
    network = ContextualAttentionModel(4, compat, formulation=formulation)
    image, mask = tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, None, None, 1))

    @tf.function(input_signature=((image, mask),))
    def fill(inputs):
        return network(inputs, return_attention=True)

    for batch, height, width in ((1, 16, 24), (2, 32, 8)):
        inputs = masked(batch, height, width)
        actual, expected = fill(inputs), network(inputs, return_attention=True)
        for name in ("coarse", "refined"):
            np.testing.assert_allclose(actual[name], expected[name], atol=1e-5)
        np.testing.assert_array_equal(actual["offsets"], expected["offsets"])


def test_dialects_differ():
    networks = [ContextualAttentionModel(4, compat) for compat in COMPAT]
    for network in networks[1:]:
        network.set_weights(networks[0].get_weights())
    keras, torch, tf1 = (network(masked()) for network in networks)
    assert np.abs(keras["coarse"] - torch["coarse"]).max() > 1e-3
    np.testing.assert_array_equal(keras["coarse"], tf1["coarse"])
    assert np.abs(keras["refined"] - tf1["refined"]).max() > 1e-5


def test_training_equals_inference(model):
    for name, picture in model(masked(), training=True).items():
        np.testing.assert_allclose(picture, model(masked(), training=False)[name], atol=1e-5)


def test_bfloat16_is_near_float32(model):
    rounded = ContextualAttentionModel(width=4, dtype="mixed_bfloat16")
    rounded.set_weights(model.get_weights())
    expected = model(masked())
    for name, picture in rounded(masked(), training=True).items():
        error = np.std(picture - expected[name])
        assert error < 0.03 * np.std(expected[name]), name


def test_critic_is_piecewise_linear():
    # Without biases, twice the picture is twice the score, whose slope is 0.2 below zero.
    critic = Critic(16, 2)
    image = pictures(3, 16, 16)
    np.testing.assert_allclose(critic(2 * image), 2 * critic(image), rtol=1e-4, atol=1e-6)
    for conv in critic.convs:
        kernel = np.zeros(conv.kernel.shape, "float32")
        kernel[2, 2] = 1
        conv.kernel.assign(kernel)
    critic.score.kernel.assign(np.ones(critic.score.kernel.shape))
    one = np.ones((1, 16, 16, 3), "float32")
    # 3 channels, then 2, 4, 8 channels that each sum all before, and 8 of them at the end.
    assert critic(one).numpy().item() == pytest.approx(3 * 2 * 4 * 8 * 8)
    assert critic(-one).numpy().item() == pytest.approx(-3 * 2 * 4 * 8 * 8 * 0.2**4)


# Bad arguments.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "`width` must be a positive integer.*width=0"),
        ({"width": 2.5}, "width=2.5"),
        ({"width": 1}, "`width`.*width=1"),
        ({"compat": "tensorflow"}, "`compat`.*'tensorflow'"),
        ({"mask_mode": "mosiac"}, "'mosiac'.*Did you mean 'mosaic'"),
        ({"mask_mode": {"name": "mosaic", "unit": 0}}, "unit.*0"),
        ({"formulation": "patches"}, "`formulation`.*'patches'"),
    ],
)
def test_bad_model_option(options, message):
    with pytest.raises(ValueError, match=message):
        ContextualAttentionModel(**{"width": 4, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "`size`.*size=0"),
        ({"size": (16, -8)}, "size=-8"),
        ({"width": 0}, "`width`.*width=0"),
        ({"last_width": -1}, "`last_width`.*last_width=-1"),
        ({"last_width": 0}, "`last_width`.*last_width=0"),
        ({"compat": "tf"}, "`compat`.*'tf'"),
    ],
)
def test_bad_critic_option(options, message):
    with pytest.raises(ValueError, match=message):
        Critic(**{"size": 16, "width": 2, **options})


def test_critic_refuses_another_size():
    with pytest.raises(ValueError, match=r"\(16, 16\).*\(1, 32, 16, 3\)"):
        Critic(16, 2)(np.zeros((1, 32, 16, 3), "float32"))
