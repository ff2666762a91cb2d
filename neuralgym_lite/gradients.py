"""Gradients under Keras' TensorFlow and JAX backends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops


def weight_gradients(
    compute: Callable[[], tuple[Any, Any]], weights: Sequence[Any], touched: Sequence[Any]
) -> tuple[list[Any], Any]:
    """Return the gradients of a scalar, and what was computed beside it.

    Args:
        compute: returns the scalar and anything made of tensors.
        weights: variables that the gradients are taken of.
        touched: all variables that `compute` reads or assigns to, `weights` among them. Under JAX
            it must be called in a `keras.StatelessScope`.
    """
    if keras.backend.backend() == "jax":
        return _weight_gradients_in_jax(compute, weights, touched)
    with tf.GradientTape() as tape:
        scalar, beside = compute()
    return tape.gradient(scalar, weights), beside


def sample_gradients(function: Callable[[Any], Any], samples: Any) -> Any:
    """Return the gradient of each sample's score with respect to it, in the shape of `samples`.

    Args:
        function: returns a score for each sample, `(B, 1)`.
        samples: float, batch axis first.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(lambda inputs: ops.sum(function(inputs)))(samples)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(samples)
        scores = function(samples)
    return tape.gradient(scores, samples)


def _weight_gradients_in_jax(
    compute: Callable[[], tuple[Any, Any]], weights: Sequence[Any], touched: Sequence[Any]
) -> tuple[list[Any], Any]:
    import jax

    before = [variable.value for variable in touched]

    def of(values: list[Any]) -> tuple[Any, Any]:
        pairs = [*zip(touched, before, strict=True), *zip(weights, values, strict=True)]
        with keras.StatelessScope(pairs) as scope:
            scalar, beside = compute()
        return scalar, (beside, [scope.get_current_value(variable) for variable in touched])

    gradients, (beside, after) = jax.grad(of, has_aux=True)([each.value for each in weights])
    trained = {id(weight) for weight in weights}
    for variable, old, new in zip(touched, before, after, strict=True):
        if new is not old and id(variable) not in trained:
            variable.assign(new)
    return gradients, beside
