"""Gradients under TensorFlow; tests/inpaint_tf/training/test_jax.py has those under JAX."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from neuralgym_lite.gradients import sample_gradients, weight_gradients


def test_weight_gradients():
    weight, other = keras.Variable([2.0, 3.0]), keras.Variable([5.0])

    def compute():
        total = ops.sum(ops.square(weight)) * other[0]
        return total, {"total": total}

    gradients, beside = weight_gradients(compute, [weight], [weight, other])
    np.testing.assert_allclose(gradients[0], [20, 30])
    np.testing.assert_allclose(beside["total"], 65)


def test_sample_gradients_are_each_sample_s_own():
    samples = ops.convert_to_tensor(np.arange(6, dtype="float32").reshape(3, 2))
    found = sample_gradients(lambda x: ops.sum(ops.square(x), axis=1, keepdims=True), samples)
    np.testing.assert_allclose(found, 2 * np.arange(6).reshape(3, 2))
