"""Split photographs into train and test by their names alone."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable


def canonical(key: str) -> bytes:
    """Return the bytes by which a key is ranked and hashed, the same on every platform.

    Args:
        key: posix path relative to the root of its data set.

    Returns:
        The key in Unicode's composed form, as UTF-8. macOS hands out decomposed names, and Linux
        names that are no valid text: both come out well defined.
    """
    return unicodedata.normalize("NFC", key).encode("utf-8", "surrogateescape")


def split_keys(keys: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split keys 11:1 into train and test.

    The keys are ranked by the SHA-256 of their names and the first `round(n / 12)` of them (at
    least one where there are two keys or more) are the test photographs. The split depends neither
    on the order of the keys nor on the platform, and holds no random state.

    Args:
        keys: distinct posix paths relative to the root of their data set.

    Returns:
        The train keys and the test keys, each sorted by name.
    """
    ranked = sorted(keys, key=lambda key: (hashlib.sha256(canonical(key)).digest(), key))
    count = len(ranked)
    tests = max(round(count / 12), 1 if count > 1 else 0)
    train, test = ranked[tests:], ranked[:tests]
    return tuple(sorted(train, key=canonical)), tuple(sorted(test, key=canonical))
