"""WGAN-GP by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from neuralgym_lite import gan


def linear_critic(slope):
    return lambda samples: tf.reduce_sum(slope * samples, axis=(1, 2, 3))[:, None]


def test_losses_by_hand():
    real, fake = np.array([[3.0], [5.0]], "float32"), np.array([[1.0], [-4.0]], "float32")
    assert float(gan.critic_loss(real, fake)) == pytest.approx(-1.5 - 4)
    assert float(gan.generator_loss(fake)) == pytest.approx(1.5)


def test_interpolate_weighs_the_real_with_alpha():
    real, fake = np.full((2, 1, 1, 1), 10, "float32"), np.full((2, 1, 1, 1), 20, "float32")
    between = gan.interpolate(real, fake, np.array([0, 0.75], "float32"))
    assert np.asarray(between).ravel().tolist() == [20, 12.5]


def test_input_gradients_of_a_linear_critic():
    samples = tf.zeros((3, 2, 2, 1))
    gradients = gan.input_gradients(linear_critic(2.0), samples)
    np.testing.assert_array_equal(gradients, np.full((3, 2, 2, 1), 2))


def test_input_gradients_are_float32():
    gradients = gan.input_gradients(linear_critic(2.0), tf.zeros((1, 2, 2, 1), "bfloat16"))
    assert gradients.dtype == tf.float32


def test_penalty_of_slope_2_in_4_dimensions_is_9():
    gradients = np.full((3, 2, 2, 1), 2, "float32")
    assert float(gan.gradient_penalty(gradients)) == pytest.approx(9)


def test_penalty_is_a_mean_over_samples():
    gradients = np.zeros((2, 1, 1, 3), "float32")
    gradients[0, 0, 0] = (3, 0, 4)
    assert float(gan.gradient_penalty(gradients)) == pytest.approx((16 + 1) / 2)


def test_penalty_counts_masked_gradients_only():
    gradients = np.full((1, 2, 2, 1), 2, "float32")
    mask = np.zeros((1, 2, 2, 1), "uint8")
    mask[0, 0] = 1
    expected = (np.sqrt(8) - 1) ** 2
    assert float(gan.gradient_penalty(gradients, mask)) == pytest.approx(expected)


def test_penalty_sums_bfloat16_in_float32():
    gradients = tf.fill((1, 64, 64, 1), tf.constant(1 / 64, "bfloat16"))
    penalty = gan.gradient_penalty(gradients)
    assert penalty.dtype == tf.float32
    assert float(penalty) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_gradient_of_the_penalty(slope):
    # d/ds (|s| sqrt(4) - 1)^2 = 2 (2 s - 1) 2 above zero, and finite at zero.
    slope = tf.Variable(slope)
    with tf.GradientTape() as tape:
        gradients = gan.input_gradients(linear_critic(slope), tf.zeros((2, 2, 2, 1)))
        penalty = gan.gradient_penalty(gradients)
    gradient = float(tape.gradient(penalty, slope))
    assert gradient == pytest.approx(4 * (2 * float(slope) - 1) if float(slope) else 0, abs=1e-5)
