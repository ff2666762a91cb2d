"""The discriminators that end in a probability's logit: of the context encoder and of GLCIC."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from layer_harness import count_outside_norms, lively, random, run_layer_test, weights_of_chain

from inpaint_tf.models import ContextDiscriminator, GLCICDiscriminator
from inpaint_tf.models.glcic_discriminator import Tower

COMPAT = ("keras", "torch", "tf1")


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


# The contract of all layers.


@pytest.mark.parametrize(
    ("compat", "size", "cells"),
    [*((compat, size, n) for compat in COMPAT for size, n in ((32, 4), ((16, 48), 3)))]
    + [("keras", (24, 20), 4)],
)
def test_context_discriminator(compat, size, cells):
    def make(**kwargs):
        return lively(ContextDiscriminator(size, 4, compat, **kwargs))

    height, width = (32, 32) if size == 32 else size
    convs = weights_of_chain(3, (4, 4), (4, 8), (4, 16), (4, 32))
    norms = 2 * (8 + 16 + 32)
    run_layer_test(
        make,
        (random(2, height, width, 3),),
        (2, 1),
        weights=convs + norms + cells * 32 + 1,
        non_trainable=norms,
        bfloat16_output="float32",
    )


def tower_weights(depth, cells):
    widths = [4, 8, 16, 32, 32, 32][:depth]
    norms = 2 * sum(widths)
    convs = weights_of_chain(3, *[(5, width) for width in widths])
    return convs + norms + cells * 32 * 6 + 6, norms


@pytest.mark.parametrize("compat", COMPAT)
def test_tower(compat):
    def make(**kwargs):
        return lively(Tower(40, 5, 4, 6, compat, **kwargs))

    weights, norms = tower_weights(5, 4)
    run_layer_test(make, (random(2, 40, 40, 3),), (2, 6), weights, norms)


@pytest.mark.parametrize("compat", COMPAT)
@pytest.mark.parametrize(
    ("local_size", "global_size", "cells"), [(16, 64, (1, 1)), ((20, 36), (33, 70), (2, 2))]
)
def test_glcic_discriminator(compat, local_size, global_size, cells):
    def make(**kwargs):
        return lively(GLCICDiscriminator(local_size, global_size, 4, 6, compat, **kwargs))

    local, local_norms = tower_weights(5, cells[0])
    whole, global_norms = tower_weights(6, cells[1])
    sides = [(size, size) if isinstance(size, int) else size for size in (local_size, global_size)]
    run_layer_test(
        make,
        (tuple(random(2, *side, 3) for side in sides),),
        (2, 1),
        weights=local + whole + 2 * 6 + 1,
        non_trainable=local_norms + global_norms,
        bfloat16_output="float32",
    )


# The papers' sizes.


def test_weights_of_glcic():
    discriminator = GLCICDiscriminator()
    assert count_outside_norms(discriminator.local_tower) == 19_250_304
    assert count_outside_norms(discriminator.global_tower) == 25_804_416
    assert count_outside_norms(discriminator.score) == 2048 + 1


def test_weights_of_the_context_encoder():
    convs = weights_of_chain(3, (4, 64), (4, 128), (4, 256), (4, 512))
    assert count_outside_norms(ContextDiscriminator(64)) == convs + 4 * 4 * 512 + 1


# What they promise beyond it.


@pytest.mark.parametrize(
    "make", [lambda: ContextDiscriminator(32, 4), lambda: GLCICDiscriminator(16, 32, 4, 6)]
)
def test_only_training_updates_moving_averages(make):
    discriminator = lively(make())
    pictures = random(3, 32, 32, 3)
    inputs = pictures
    if isinstance(discriminator, GLCICDiscriminator):
        inputs = (pictures[:, :16, :16], pictures)
    averages = discriminator.non_trainable_variables
    fresh = [np.asarray(average) for average in averages]
    first = np.asarray(discriminator(inputs))
    np.testing.assert_array_equal(discriminator(inputs, training=False), first)
    assert np.any(discriminator(inputs, training=True) != first)
    for average, before in zip(averages, fresh, strict=True):
        assert np.any(np.asarray(average) != before), average.path


def test_both_looks_matter():
    discriminator = lively(GLCICDiscriminator(16, 32, 4, 6))
    pictures, crops = random(1, 32, 32, 3), random(1, 16, 16, 3, seed=1)
    score = discriminator((crops, pictures))
    assert discriminator((crops + 1, pictures)) != score
    assert discriminator((crops, pictures + 1)) != score


# Bad arguments.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "`size`.*size=0"),
        ({"size": 40, "compat": "torch"}, "multiple of 16.*size=40"),
        ({"size": True}, "`size`.*size=True"),
        ({"width": 0}, "`width`.*width=0"),
        ({"compat": "tf"}, "`compat`.*'tf'"),
    ],
)
def test_bad_context_option(options, message):
    with pytest.raises(ValueError, match=message):
        ContextDiscriminator(**{"size": 16, "width": 2, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"local_size": 0}, "`local_size`.*local_size=0"),
        ({"global_size": (16, -8)}, "`global_size`.*global_size=-8"),
        ({"width": 0}, "`width`.*width=0"),
        ({"units": 0}, "`units`.*units=0"),
        ({"compat": "tf"}, "`compat`.*'tf'"),
    ],
)
def test_bad_glcic_option(options, message):
    with pytest.raises(ValueError, match=message):
        GLCICDiscriminator(**{"local_size": 16, "global_size": 16, "width": 2, **options})


def test_refuses_another_size():
    with pytest.raises(ValueError, match=r"\(16, 16\).*\(1, 32, 16, 3\)"):
        ContextDiscriminator(16, 2)(random(1, 32, 16, 3))
    discriminator = GLCICDiscriminator(16, 32, 2, 4)
    with pytest.raises(ValueError, match=r"\(32, 32\).*\(1, 16, 16, 3\)"):
        discriminator((random(1, 16, 16, 3), random(1, 16, 16, 3)))
