"""Any tree of images as a data set."""

from __future__ import annotations

from pathlib import Path

from inpaint_tf.data.photo_set import PhotoSet, list_keys
from inpaint_tf.data.split import split_keys
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import Tell


def open_folder(data_dir: Path | None, tell: Tell | None = None) -> PhotoSet:
    """Open a folder of images, split over the whole tree.

    Args:
        data_dir: the folder; images in its sub-folders count as well.
        tell: as for `find_images`.

    Returns:
        The photographs, 11:1 train and test.

    Raises:
        UserError: no folder was given, it cannot be read, or it holds fewer than two images.
    """
    if data_dir is None:
        raise UserError("Data set 'folder' is any tree of images: name it with '--data-dir DIR'.")
    train, test = split_keys(list_keys(data_dir, tell=tell))
    return PhotoSet("folder", data_dir, train, test)
