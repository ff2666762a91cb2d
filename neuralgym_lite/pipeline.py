"""An input pipeline that is driven by an index, so that it can start anywhere at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]


def index_driven(
    make: Callable[[int], Arrays], start: int, stop: int, workers: int = 2, ahead: int = 2
) -> tf.data.Dataset:
    """Return a dataset whose element i is `make(i)`, in order, made ahead by worker threads.

    Args:
        make: a pure function from an index to named arrays, of the same shapes and dtypes each
            time.
        start: index of the first element; starting late costs nothing.
        stop: index after the last element.
        workers: elements that are made at once.
        ahead: finished elements that wait.
    """
    example = make(start)
    names = sorted(example)

    def arrays(index: NDArray[np.int64]) -> list[NDArray[np.generic]]:
        made = make(int(index))
        return [np.asarray(made[name]) for name in names]

    def element(index: tf.Tensor) -> dict[str, tf.Tensor]:
        dtypes = [tf.as_dtype(example[name].dtype) for name in names]
        tensors = tf.numpy_function(arrays, [index], dtypes, stateful=False)
        for name, tensor in zip(names, tensors, strict=True):
            tensor.set_shape(example[name].shape)
        return dict(zip(names, tensors, strict=True))

    dataset = tf.data.Dataset.range(start, stop)
    dataset = dataset.map(element, num_parallel_calls=workers, deterministic=True)
    return dataset.prefetch(ahead)
