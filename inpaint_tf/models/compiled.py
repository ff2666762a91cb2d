"""Functions of tensors, compiled once for all sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def compiled(
    function: Callable[..., Any],
    variables: Sequence[Any],
    shapes: Sequence[tuple[int | None, ...]],
    dtypes: Sequence[str] | None = None,
) -> Callable[..., Any]:
    """Compile a function of arrays as one TensorFlow graph for all sizes.

    Args:
        function: returns tensors, in any structure.
        variables: Keras variables that `function` reads. TensorFlow finds them by itself.
        shapes: of the arguments; None stands for any size. Each new size would cost seconds
            otherwise.
        dtypes: of the arguments. Defaults to None: float32.
    """
    import tensorflow as tf

    dtypes = dtypes or ["float32"] * len(shapes)
    signature = [tf.TensorSpec(*pair) for pair in zip(shapes, dtypes, strict=True)]
    return tf.function(function, input_signature=signature, autograph=False)
