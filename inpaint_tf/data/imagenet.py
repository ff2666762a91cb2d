"""ImageNet as Kaggle hands it out, or any folder of its images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from inpaint_tf.data.locations import fetch_by_hand, locate
from inpaint_tf.data.photo_set import PhotoSet, list_keys
from inpaint_tf.data.split import by_folder, deal, split_each
from neuralgym_lite.images import Tell

PAPER_SUBSET = 50_000
# Every folder of Kaggle's archive that somebody may call the data set.
_ABOVE_THE_SPLIT = (".", "CLS-LOC", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")


def open_imagenet(data_dir: Path | None, tell: Tell | None = None) -> PhotoSet:
    """Open ImageNet.

    Where `train` and `val` stand side by side, as in Kaggle's `ILSVRC/Data/CLS-LOC`, they are the
    train and the test photographs, and `test`, which has no use here, is not read. Otherwise the
    images are split 11:1, within each class folder where there are such.

    Args:
        data_dir: a folder of the archive, from its top down to `CLS-LOC`; or a folder of images or
            of class folders. `None` looks in `$INPAINT_TF_DATA` and in the cache folder.
        tell: as for `find_images`.

    Returns:
        The photographs, all of them.

    Raises:
        UserError: the data set is not found, cannot be read, or holds too few images.
    """
    folder = data_dir or locate("imagenet")
    for root in (folder / below for below in _ABOVE_THE_SPLIT):
        if (root / "train").is_dir() and (root / "val").is_dir():
            return ChallengePhotos(
                "imagenet", root, list_keys(root, "train", tell), list_keys(root, "val", tell)
            )
    return PhotoSet("imagenet", folder, *split_each(by_folder(list_keys(folder, tell=tell))))


def fetch_imagenet() -> Path:
    """Find ImageNet on this machine; its terms let nobody but the user download it.

    Returns:
        The folder that `open_imagenet` will find.

    Raises:
        UserError: it is not there; the message says what to download and where to put it.
    """
    return fetch_by_hand(
        "imagenet",
        "accept the terms of the 'ImageNet Object Localization Challenge' at "
        "kaggle.com/c/imagenet-object-localization-challenge and download it",
    )


class ChallengePhotos(PhotoSet):
    """ImageNet with its own split, of which the paper takes 50,000 photographs."""

    default_subset: ClassVar[int | None] = PAPER_SUBSET

    def subset(self, count: int) -> PhotoSet:
        """Take some of the train photographs, and an eleventh as many of the test photographs.

        The test photographs cannot be balanced over classes, for in Kaggle's `val` they lie side
        by side: they are the first by the SHA-256 of their names.

        Args:
            count: train photographs to take; all where there are fewer.

        Returns:
            The subset; it is contained in every larger one.

        Raises:
            UserError: `count` is below 1.
        """
        smaller = super().subset(count)
        tests = max(round(len(smaller.train) / 11), 1)
        return replace(smaller, test=deal(self.test, tests))
