"""Networks by name, and how many weights they have at the paper's sizes."""

from __future__ import annotations

import pytest
from layer_harness import count

from inpaint_tf.masks import MaskMode
from inpaint_tf.models import ContextualAttentionModel, create, create_critic
from inpaint_tf.models.registry import MODELS
from neuralgym_lite.errors import UserError


def test_counts_of_the_generator():
    model = create("ca")
    assert isinstance(model, ContextualAttentionModel)
    assert count(model.coarse.weights) == 1_448_227
    assert count(model.refinement.weights) == 2_153_315
    assert model.count_params() == 3_601_542


@pytest.mark.parametrize(
    ("kind", "options", "weights"),
    [
        ("global", {}, 2_733_441),
        ("local", {}, 2_684_289),
        ("local", {"last_width": 512}, 4_339_329),
    ],
)
def test_counts_of_the_critics(kind, options, weights):
    assert create_critic(kind, **options).count_params() == weights


@pytest.mark.parametrize("compat", ["keras", "torch", "tf1"])
def test_dialects_have_the_same_weights(compat):
    shapes = [weight.shape for weight in create("ca", width=4).weights]
    assert [weight.shape for weight in create("ca", width=4, compat=compat).weights] == shapes


def test_options_reach_the_model():
    model = create(
        "ca", width=4, compat="torch", mask_mode="mosaic", formulation="reference", name="mine"
    )
    assert (model.width, model.compat, model.name) == (4, "torch", "mine")
    assert model.mask_mode == MaskMode("mosaic")
    assert model.refinement.attention.formulation == "reference"
    assert model.refinement.attention.compat == "torch"


def test_unknown_model():
    with pytest.raises(UserError, match="Unknown model: 'cs'"):
        create("cs")


def test_unknown_critic():
    with pytest.raises(UserError, match="Unknown critic: 'globl'. Did you mean 'global'"):
        create_critic("globl")


def test_unknown_option():
    with pytest.raises((TypeError, ValueError), match="widht"):
        create("ca", widht=4)


@pytest.mark.parametrize("options", [{"width": 2}, {"width": 3}, {"width": 16}])
@pytest.mark.parametrize("name", MODELS)
def test_least_weights(name, options):
    least = MODELS[name].least_weights(**options)
    assert least <= create(name, **options).count_params() <= 5 * least


@pytest.mark.parametrize("size", [16, 256])
def test_least_weights_of_a_network_of_one_size(size):
    least = MODELS["context-encoder"].least_weights(4, image_size=size)
    real = create("context-encoder", width=4, image_size=size).count_params()
    assert least <= real <= 5 * least
