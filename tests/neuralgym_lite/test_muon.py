"""Muon for convolutions: the update, what it is not for, and that it is saved whole."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from neuralgym_lite.muon import ConvMuon

RATE = 1e-2


def orthogonal(matrix, steps=5):
    """Return a matrix with its singular values driven to about 1, in float64."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def updated(optimizer, start, gradients):
    variable = keras.Variable(start)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    return np.asarray(variable)


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


# ------------------------------------------------------------------------------------------- parity


@pytest.mark.parametrize("shape", [(3, 3, 5, 8), (3, 3, 2, 32), (1, 1, 4, 16)])
def test_kernels_take_orthogonal_steps(shape):
    gradients = [numbers(*shape), numbers(*shape)[::-1]]
    expected, momentum = np.zeros(shape), np.zeros(shape)
    for gradient in gradients:
        momentum = 0.95 * momentum + gradient
        matrix = (gradient + 0.95 * momentum).reshape(-1, shape[-1])
        scale = 0.2 * np.sqrt(max(matrix.shape))
        expected -= RATE * scale * orthogonal(matrix.astype(np.float64)).reshape(shape)
    found = updated(ConvMuon(RATE), np.zeros(shape, np.float32), gradients)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(8,), (3, 3, 8, 3), (16, 1), (4, 4, 16)])
def test_other_weights_take_those_of_adam(shape):
    start, gradients = numbers(*shape), [numbers(*shape), 2 * numbers(*shape)]
    betas = {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-8}
    ours = updated(ConvMuon(RATE, **betas), start, gradients)
    adam = updated(keras.optimizers.Adam(RATE, **betas), start, gradients)
    np.testing.assert_allclose(ours, adam, atol=1e-6)
    assert np.abs(ours - start).max() > RATE


def transposed_layer(outputs, inputs=4):
    layer = keras.layers.Conv2DTranspose(outputs, 3)
    layer.build((None, 8, 8, inputs))
    return layer


def step_of(layer, gradient, **options):
    start = layer.kernel.numpy()
    optimizer = ConvMuon(RATE, **options)
    optimizer.build([layer.kernel])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    return layer.kernel.numpy() - start


def test_kernels_of_transposed_convolutions_have_a_row_for_each_input():
    layer = transposed_layer(6)
    gradient = numbers(3, 3, 6, 4) * np.logspace(0, 1, 6, dtype=np.float32)[:, np.newaxis]
    step = step_of(layer, gradient, transposed=[layer.kernel.path])
    matrix = step.swapaxes(2, 3).reshape(-1, 6)
    values = np.linalg.svd(matrix, compute_uv=False) / (RATE * 0.2 * np.sqrt(36))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_transposed_convolutions_that_paint_a_picture_are_adams():
    gradient = numbers(3, 3, 3, 4)
    layer, other = transposed_layer(3), transposed_layer(3)
    step = step_of(layer, gradient, transposed=[layer.kernel.path])
    np.testing.assert_allclose(step, -RATE * np.sign(gradient), rtol=1e-3)
    assert not np.allclose(step_of(other, gradient), step, rtol=1e-3)


def test_steps_are_as_large_as_those_of_adam():
    found = updated(ConvMuon(RATE), np.zeros((3, 3, 16, 32), np.float32), [numbers(3, 3, 16, 32)])
    assert 0.1 * RATE < np.sqrt(np.mean(found**2)) < RATE


# --------------------------------------------------------------------------------------- what stays


def test_config_round_trip():
    optimizer = ConvMuon(RATE, 0.5, 0.9, global_clipnorm=1.0, transposed=["deconv/kernel"])
    again = ConvMuon.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    assert (again.beta_1, again.beta_2, again.global_clipnorm) == (0.5, 0.9, 1.0)
    assert again.transposed == ["deconv/kernel"]


# ----------------------------------------------------------------------------------------- replicas


def test_two_replicas_take_the_step_of_their_sum(two_replicas):
    gradients = numbers(2, 3, 3, 4, 8)
    with two_replicas.scope():
        variable = keras.Variable(np.zeros((3, 3, 4, 8), np.float32))
        optimizer = ConvMuon(RATE)
        optimizer.build([variable])

    @tf.function
    def step():
        def update():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            optimizer.apply([tf.gather(tf.constant(gradients), replica)], [variable])

        two_replicas.run(update)

    step()
    alone = updated(ConvMuon(RATE), np.zeros((3, 3, 4, 8), np.float32), [gradients.sum(axis=0)])
    np.testing.assert_allclose(np.asarray(variable), alone, atol=1e-6)
