"""ImageNet as downloaded from Kaggle, or any folder of its images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from inpaint_tf.data.locations import fetch_by_hand, locate
from inpaint_tf.data.photo_set import PhotoSet, list_keys
from inpaint_tf.data.split import balanced_subset, by_folder, split_each
from neuralgym_lite.image_folders import Log

PAPER_SUBSET = 50_000
# The folders of Kaggle's archive that a user may give as the data set.
_ABOVE_THE_SPLIT = (".", "CLS-LOC", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")


def open_imagenet(data_dir: Path | None, log: Log | None = None) -> PhotoSet:
    """Open ImageNet.

    If there are folders `train` and `val`, as in Kaggle's `ILSVRC/Data/CLS-LOC`, they are the train
    and test photographs, and `test` is not used. Otherwise the images are split 11:1 within each
    folder.

    Args:
        data_dir: a folder of the archive, from its top down to `CLS-LOC`; or a folder of images or
            of class folders. None: search `$INPAINT_TF_DATA` and the cache folder.
        log: see `find_images`.
    """
    folder = data_dir or locate("imagenet")
    for root in (folder / below for below in _ABOVE_THE_SPLIT):
        if (root / "train").is_dir() and (root / "val").is_dir():
            splits = (list_keys(root, split, log) for split in ("train", "val"))
            return ChallengePhotos("imagenet", root, *splits)
    return PhotoSet("imagenet", folder, *split_each(by_folder(list_keys(folder, log=log))))


def fetch_imagenet() -> Path:
    """Find ImageNet on this machine. Its terms do not allow an automatic download."""
    return fetch_by_hand(
        "imagenet",
        "accept the terms of the 'ImageNet Object Localization Challenge' at "
        "kaggle.com/c/imagenet-object-localization-challenge and download it",
    )


class ChallengePhotos(PhotoSet):
    """ImageNet with its own split, of which the paper uses 50,000 photographs."""

    default_subset: ClassVar[int | None] = PAPER_SUBSET

    def subset(self, count: int) -> PhotoSet:
        """Return a subset with `count` train photographs, and an eleventh as many for testing.

        Test photographs are not balanced over classes, because Kaggle's `val` has no class folders.
        """
        smaller = super().subset(count)
        tests = max(round(len(smaller.train) / 11), 1)
        return replace(smaller, test=balanced_subset(self.test, tests))
