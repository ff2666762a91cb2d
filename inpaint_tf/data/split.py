"""Splits photographs into train and test by their names alone."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence


def canonical(key: str) -> bytes:
    """Return the bytes by which a key is sorted and hashed, the same on every platform.

    They are Unicode's composed form (NFC) as UTF-8: macOS returns decomposed names, and Linux
    names may be invalid text.
    """
    return unicodedata.normalize("NFC", key).encode("utf-8", "surrogateescape")


def split_keys(keys: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split keys 11:1 into train and test.

    The keys are sorted by the SHA-256 of their names. The first `round(n / 12)` of them, but at
    least one of two or more, are the test photographs. The split does not depend on the order of
    the keys, on the platform or on a random state.

    Args:
        keys: distinct posix paths relative to the root of the data set.

    Returns:
        The train keys and the test keys, each sorted by name.
    """
    ranked = sorted(keys, key=_rank)
    count = len(ranked)
    tests = max(round(count / 12), 1 if count > 1 else 0)
    train, test = ranked[tests:], ranked[:tests]
    return tuple(sorted(train, key=canonical)), tuple(sorted(test, key=canonical))


def split_each(
    classes: Mapping[str, Iterable[str]],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the keys of each class as `split_keys` does; class by class in the order of names."""
    splits = [split_keys(keys) for _, keys in sorted(classes.items())]
    train = tuple(key for keys, _ in splits for key in keys)
    test = tuple(key for _, keys in splits for key in keys)
    return train, test


def by_folder(keys: Iterable[str]) -> dict[str, list[str]]:
    """Return the keys of each folder. `""` is the root."""
    classes = defaultdict(list)
    for key in keys:
        classes[key.rpartition("/")[0]].append(key)
    return dict(classes)


def balanced_subset(keys: Iterable[str], count: int) -> tuple[str, ...]:
    """Choose `count` keys from each class in turn, in the order of the SHA-256 of their names.

    Each folder is a class. The numbers of keys per class differ by one at most, unless a class has
    too few. A smaller choice is contained in every larger one. The keys are sorted by name.
    """
    turns = (
        (turn, *_rank(key))
        for ours in by_folder(keys).values()
        for turn, key in enumerate(sorted(ours, key=_rank))
    )
    return tuple(sorted((key for *_, key in sorted(turns)[:count]), key=canonical))


def draw(keys: Sequence[str], count: int) -> tuple[str, ...]:
    """Return `count` of the keys, or all if there are fewer, in their order.

    The choice depends on the keys alone, and a smaller count draws a subset of a larger one.
    """
    drawn = set(sorted(keys, key=_rank)[:count])
    return tuple(key for key in keys if key in drawn)


def _rank(key: str) -> tuple[bytes, str]:
    return hashlib.sha256(canonical(key)).digest(), key
