"""Functions of tensors, compiled once for all sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Spec: TypeAlias = tuple[str, Sequence[int | None]]


def compiled(function: Callable[..., Any], *inputs: Spec) -> Callable[..., Any]:
    """Return a function as one TensorFlow graph. Each new size would cost seconds otherwise.

    Args:
        function: of tensors.
        inputs: dtype and shape of each; None stands for any size.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec(shape, dtype) for dtype, shape in inputs]
    return tf.function(function, input_signature=signature, autograph=False)
