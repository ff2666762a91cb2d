"""Random numbers as a pure function of (seed, stream, index), without a state to save."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def generator(seed: int, stream: str, index: int = 0) -> np.random.Generator:
    """Return the generator for one index of a stream.

    Args:
        seed: seed of the run.
        stream: name of an independent stream, such as `"mask"`.
        index: index in the stream, such as the iteration.

    Returns:
        A new generator. Equal arguments give equal numbers on every platform.

    Example:
        >>> int(generator(0, "mask", 3).integers(10)) == int(generator(0, "mask", 3).integers(10))
        True
    """
    digest = hashlib.sha256(stream.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little"), index])


@lru_cache(maxsize=4)
def _permutation(seed: int, stream: str, epoch: int, count: int) -> NDArray[np.int64]:
    return generator(seed, stream, epoch).permutation(count)


def shuffled_index(seed: int, stream: str, position: int, count: int) -> int:
    """Return the item at a position of an endless sequence that is reshuffled in each epoch.

    An epoch is `count` positions, and has each item from 0 to `count - 1` once.
    """
    return int(_permutation(seed, stream, position // count, count)[position % count])
