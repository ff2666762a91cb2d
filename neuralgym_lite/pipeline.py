"""An input pipeline whose elements are a function of their index, so that it can start anywhere."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuralgym_lite.backend import is_jax

Arrays = Mapping[str, NDArray[np.generic]]
# Where JAX is used, a GPU waits for the host more often than for the memory.
_JAX_AHEAD = 16


def index_driven(
    make: Callable[[int], Arrays], start: int, stop: int, workers: int = 2, ahead: int = 2
) -> Any:
    """Return data for `fit` whose element i is `make(i)`, in order, made ahead by threads.

    Args:
        make: A pure function from an index to named arrays, of the same shapes and dtypes each
            time.
        start: Index of the first element. Starting late costs nothing.
        stop: Index after the last element.
        workers: Elements that are made at once under TensorFlow. Under JAX each core makes one.
        ahead: Finished elements that wait under TensorFlow. Under JAX 16 wait.

    Returns:
        Under TensorFlow a `tf.data.Dataset` of dictionaries; under JAX a generator of one-tuples
        of them, which is what Keras takes there.
    """
    if is_jax():
        return _made_by_threads(make, start, stop)
    import tensorflow as tf

    example = make(start)
    names = sorted(example)

    def arrays(index: NDArray[np.int64]) -> list[NDArray[np.generic]]:
        made = make(int(index))
        return [np.asarray(made[name]) for name in names]

    def element(index: Any) -> dict[str, Any]:
        dtypes = [tf.as_dtype(example[name].dtype) for name in names]
        tensors = tf.numpy_function(arrays, [index], dtypes, stateful=False)
        for name, tensor in zip(names, tensors, strict=True):
            tensor.set_shape(example[name].shape)
        return dict(zip(names, tensors, strict=True))

    dataset = tf.data.Dataset.range(start, stop)
    dataset = dataset.map(element, num_parallel_calls=workers, deterministic=True)
    return dataset.prefetch(ahead)


def _made_by_threads(
    make: Callable[[int], Arrays], start: int, stop: int
) -> Iterator[tuple[Arrays]]:
    waiting: deque[Future[Arrays]] = deque()
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        for index in range(start, stop):
            waiting.append(pool.submit(make, index))
            if len(waiting) > _JAX_AHEAD:
                yield (waiting.popleft().result(),)
        while waiting:
            yield (waiting.popleft().result(),)
    finally:
        pool.shutdown(cancel_futures=True)
