"""Places2 as Kaggle or MIT hand it out, or any folder of its images."""

from __future__ import annotations

import os
import re
from pathlib import Path

from inpaint_tf.data.locations import fetch_by_hand, locate
from inpaint_tf.data.photo_set import PhotoSet, list_keys
from inpaint_tf.data.split import split_keys
from neuralgym_lite.images import Tell

# Not just any `val...` and `train...`: scenes of Places2 are a valley and the inside of a train.
_TEST = re.compile(r"val(idation)?(_.*)?")
_TRAIN = re.compile(r"(train|data)(_.*)?")


def open_places2(data_dir: Path | None, tell: Tell | None = None) -> PhotoSet:
    """Open Places2.

    Where a folder `val`, `validation` or `val_*` stands beside one named `train`, `train_*` or
    `data_*`, they are the test and the train photographs (of several, such as two resolutions, the
    first by name), and nothing else is read. Otherwise all images are split 11:1 over the tree.

    Args:
        data_dir: the folder of that split, the one above it, or any tree of images. `None` looks
            in `$INPAINT_TF_DATA` and in the cache folder.
        tell: as for `find_images`.

    Returns:
        The photographs, all of them.

    Raises:
        UserError: the data set is not found, cannot be read, or holds too few images.
    """
    folder = data_dir or locate("places2")
    for root in (folder, *_folders(folder)):
        tests, trains = _folders(root, _TEST), _folders(root, _TRAIN)
        if tests and trains:
            train, test = trains[0].name, tests[0].name
            return PhotoSet(
                "places2", root, list_keys(root, train, tell), list_keys(root, test, tell)
            )
    return PhotoSet("places2", folder, *split_keys(list_keys(folder, tell=tell)))


def fetch_places2() -> Path:
    """Find Places2 on this machine; its terms let nobody but the user download it.

    Returns:
        The folder that `open_places2` will find.

    Raises:
        UserError: it is not there; the message says what to download and where to put it.
    """
    return fetch_by_hand(
        "places2",
        "download 'places2-mit-dataset' at kaggle.com/datasets/nickj26/places2-mit-dataset, or "
        "Places365 at places2.csail.mit.edu, under their terms",
    )


def _folders(folder: Path, pattern: re.Pattern[str] = re.compile(r"[^.].*")) -> list[Path]:
    """Return the folders in a folder whose names match, sorted."""
    if not folder.is_dir():
        return []
    # Not Path.iterdir: it would ask the disk about each of a million images.
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return [folder / name for name in sorted(names) if pattern.fullmatch(name)]
