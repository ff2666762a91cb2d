"""Data sets by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inpaint_tf.data.animals import fetch_animals, open_animals
from inpaint_tf.data.imagenet import fetch_imagenet, open_imagenet
from inpaint_tf.data.joined import JoinedPhotos
from inpaint_tf.data.photo_set import PhotoSet, list_keys
from inpaint_tf.data.places2 import fetch_places2, open_places2
from inpaint_tf.data.samples import open_samples
from inpaint_tf.data.split import split_keys
from neuralgym_lite.errors import UserError, check_name
from neuralgym_lite.image_folders import Log


@dataclass(frozen=True)
class _DataSet:
    open: Callable[[Path | None, Log | None], PhotoSet]
    fetch: Callable[[], Path] | None = None


def _open_folder(data_dir: Path | None, log: Log | None) -> PhotoSet:
    """Open any folder of images, split 11:1 over all of them."""
    if data_dir is None:
        raise UserError("Data set 'folder' is any tree of images: name it with `data_dir=DIR`.")
    return PhotoSet("folder", data_dir, *split_keys(list_keys(data_dir, log=log)))


_DATA_SETS = {
    "animals": _DataSet(open_animals, fetch_animals),
    "folder": _DataSet(_open_folder),
    "imagenet": _DataSet(open_imagenet, fetch_imagenet),
    "places2": _DataSet(open_places2, fetch_places2),
    "samples": _DataSet(open_samples),
}


def names() -> tuple[str, ...]:
    """Return the names of all data sets, sorted."""
    return tuple(sorted(_DATA_SETS))


def open_photos(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    subset: int | None = None,
    log: Log | None = None,
) -> PhotoSet:
    """Open a data set by name, or several joined to one.

    Args:
        name: one of `names()`, or several joined by `+`.
        data_dir: folder of the data set; for several, a folder with a sub-folder for each name.
            Default: the default folder of each data set.
        subset: number of train photographs, balanced over classes. Default: all, but 50,000 of
            ImageNet, as in the paper.
        log: called with a line for each folder with files that are left out.

    Returns:
        The keys of the photographs, split into train and test. No photograph is read yet.

    Raises:
        UserError: If a name is unknown or given twice, a data set is missing or cannot be used, or
            `subset` is below 1.

    Example:
        >>> from inpaint_tf.data import open_photos
        >>> photos = open_photos("samples")
        >>> len(photos.train), len(photos.test)
        (480, 50)
    """
    folder = None if data_dir is None else Path(data_dir).expanduser()
    photos = _join(name.split("+"), folder, log) if "+" in name else _get(name).open(folder, log)
    count = photos.default_subset if subset is None else subset
    return photos if count is None else photos.subset(count)


def fetch(name: str) -> Path | None:
    """Download a data set, unless it is on this machine.

    Returns:
        Its folder; None for a data set that needs no download.

    Raises:
        UserError: If the name is unknown, or the download fails.
    """
    source = _get(name).fetch
    return source() if source else None


def _join(each: Sequence[str], folder: Path | None, log: Log | None) -> JoinedPhotos:
    if len(set(each)) < len(each):
        raise UserError(f"Each data set can be joined once. Received: '{'+'.join(each)}'")
    parts = {name: open_photos(name, folder and folder / name, log=log) for name in each}
    return JoinedPhotos.of(parts)


def _get(name: str) -> _DataSet:
    check_name("data set", name, _DATA_SETS)
    return _DATA_SETS[name]
