"""Places2 as downloaded from Kaggle or MIT, or any folder of its images."""

from __future__ import annotations

import os
import re
from pathlib import Path

from inpaint_tf.data.locations import fetch_by_hand, locate
from inpaint_tf.data.photo_set import PhotoSet, list_keys
from inpaint_tf.data.split import split_keys
from neuralgym_lite.image_folders import Log

# Not any name that begins with `val` or `train`: Places2 has scenes of valleys and trains.
_TEST = re.compile(r"val(idation)?(_.*)?")
_TRAIN = re.compile(r"(train|data)(_.*)?")


def open_places2(data_dir: Path | None, log: Log | None = None) -> PhotoSet:
    """Open Places2.

    If there are a folder `val`, `validation` or `val_*` and a folder `train`, `train_*` or
    `data_*`, they are the test and train photographs. Of several, such as two resolutions, the
    first by name is used. Otherwise all images are split 11:1.

    Args:
        data_dir: the folder with these folders, its parent, or any folder of images. None: search
            `$INPAINT_TF_DATA` and the cache folder.
        log: see `find_images`.
    """
    folder = data_dir or locate("places2")
    for root in (folder, *_folders(folder)):
        tests, trains = _folders(root, _TEST), _folders(root, _TRAIN)
        if tests and trains:
            splits = (list_keys(root, split.name, log) for split in (trains[0], tests[0]))
            return PhotoSet("places2", root, *splits)
    return PhotoSet("places2", folder, *split_keys(list_keys(folder, log=log)))


def fetch_places2() -> Path:
    """Find Places2 on this machine. Its terms do not allow an automatic download."""
    return fetch_by_hand(
        "places2",
        "download 'places2-mit-dataset' at kaggle.com/datasets/nickj26/places2-mit-dataset, or "
        "Places365 at places2.csail.mit.edu, under their terms",
    )


def _folders(folder: Path, pattern: re.Pattern[str] = re.compile(r"[^.].*")) -> list[Path]:
    """Return the sub-folders whose names match, sorted."""
    if not folder.is_dir():
        return []
    # Path.iterdir would need a system call for each of a million images.
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return [folder / name for name in sorted(names) if pattern.fullmatch(name)]
