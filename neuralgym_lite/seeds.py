"""Randomness as a pure function of (seed, stream, index): there is no state to save or lose."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def generator(seed: int, stream: str, index: int = 0) -> np.random.Generator:
    """Return the generator of one place of one stream.

    Args:
        seed: of the run.
        stream: what is drawn, such as `"mask"`; streams are independent of each other.
        index: which draw of the stream, such as the iteration.

    Returns:
        A fresh generator; equal arguments give equal numbers on every platform.
    """
    digest = hashlib.sha256(stream.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little"), index])


@lru_cache(maxsize=4)
def _permutation(seed: int, stream: str, epoch: int, count: int) -> NDArray[np.int64]:
    return generator(seed, stream, epoch).permutation(count)


def shuffled_index(seed: int, stream: str, position: int, count: int) -> int:
    """Return which of `count` items stands at a position of an endless, reshuffled sequence.

    Every stretch of `count` positions from a multiple of `count` on holds every item once.
    """
    return int(_permutation(seed, stream, position // count, count)[position % count])
