"""Gradients under Keras' TensorFlow and JAX backends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from neuralgym_lite.backend import is_jax


def weight_gradients(
    compute: Callable[[], tuple[Any, Any]], weights: Sequence[Any], variables: Sequence[Any]
) -> tuple[list[Any], Any]:
    """Return the gradients of a scalar with respect to weights, and other results.

    Args:
        compute: Returns the scalar and anything made of tensors.
        weights: Variables to differentiate by.
        variables: All variables that `compute` reads or assigns to, including `weights`.

    Returns:
        A gradient for each of `weights`, and the second result of `compute`. Under JAX this must be
        called in a `keras.StatelessScope`.
    """
    if is_jax():
        return _weight_gradients_in_jax(compute, weights, variables)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        scalar, others = compute()
    return tape.gradient(scalar, weights), others


def sample_gradients(function: Callable[[Any], Any], samples: Any) -> Any:
    """Return the gradient of each sample's score with respect to it, in the shape of `samples`.

    Args:
        function: Returns a score for each sample, `(B, 1)`.
        samples: Float tensor, batch axis first.
    """
    if is_jax():
        import jax

        return jax.grad(lambda inputs: ops.sum(function(inputs)))(samples)
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(samples)
        scores = function(samples)
    return tape.gradient(scores, samples)


def _weight_gradients_in_jax(
    compute: Callable[[], tuple[Any, Any]], weights: Sequence[Any], variables: Sequence[Any]
) -> tuple[list[Any], Any]:
    import jax

    before = [variable.value for variable in variables]

    def scalar_of(values: list[Any]) -> tuple[Any, Any]:
        pairs = [*zip(variables, before, strict=True), *zip(weights, values, strict=True)]
        with keras.StatelessScope(pairs) as scope:
            scalar, others = compute()
        return scalar, (others, [scope.get_current_value(variable) for variable in variables])

    values = [weight.value for weight in weights]
    gradients, (others, after) = jax.grad(scalar_of, has_aux=True)(values)
    trained = {id(weight) for weight in weights}
    for variable, old, new in zip(variables, before, after, strict=True):
        if new is not old and id(variable) not in trained:
            variable.assign(new)
    return gradients, others
