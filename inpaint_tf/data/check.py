"""Read every photograph of a data set: which are broken, which are the same file twice."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, TypeAlias

from inpaint_tf.data.photo_set import PhotoSet
from neuralgym_lite.digests import file_sha256
from neuralgym_lite.images import ImageError

Group: TypeAlias = dict[str, list[str]]  # keys of equal files by split


def check_photos(photos: PhotoSet, on_photo: Callable[[], object]) -> dict[str, Any]:
    """Read every photograph of a data set.

    Args:
        photos: The data set.
        on_photo: Called after each photograph.

    Returns:
        What `inpaint-tf data check --json` prints: number, sizes and split of the photographs,
        the broken ones with the reason, and groups of equal files by split, those in both splits
        first.
    """
    keys = sorted(photos.train + photos.test)
    file_sizes = {key: photos.file_size(key) for key in keys}
    often = Counter(file_sizes.values())
    sizes, broken = [], {}
    same = defaultdict(list)
    for key in keys:
        try:
            sizes.append(photos.load_full(key).shape[:2])
        except ImageError as error:
            broken[key] = str(error)
        else:
            if often[file_sizes[key]] > 1:
                same[file_sha256(photos.path(key))].append(key)
        on_photo()
    has_classes = photos.name == "animals"
    return {
        "dataset": photos.name,
        "root": str(photos.root or ""),
        "images": len(keys),
        "bytes": sum(file_sizes.values()),
        "train": len(photos.train),
        "test": len(photos.test),
        "fingerprint": photos.fingerprint(),
        "sizes": {
            name: {"min": min(sides), "median": statistics.median(sides), "max": max(sides)}
            for name, sides in zip(("height", "width"), zip(*sizes, strict=True), strict=False)
        },
        "classes": Counter(key.partition("/")[0] for key in keys) if has_classes else {},
        "broken": broken,
        "duplicates": _by_split(photos, [group for group in same.values() if len(group) > 1]),
    }


def in_both(group: Group) -> bool:
    """Return whether a group of equal files has some in each split."""
    return all(group.values())


def _by_split(photos: PhotoSet, groups: list[list[str]]) -> list[Group]:
    splits = {"train": set(photos.train), "test": set(photos.test)}
    parted = [
        {name: [key for key in group if key in split] for name, split in splits.items()}
        for group in groups
    ]
    return sorted(parted, key=lambda group: not in_both(group))
