"""Any folder of images as a data set."""

from __future__ import annotations

from pathlib import Path

from inpaint_tf.data.photo_set import PhotoSet, list_keys
from inpaint_tf.data.split import split_keys
from neuralgym_lite.errors import UserError
from neuralgym_lite.image_folders import Log


def open_folder(data_dir: Path | None, log: Log | None = None) -> PhotoSet:
    """Open a folder of images, split 11:1 over all of them.

    Args:
        data_dir: the folder; images in sub-folders are included.
        log: see `find_images`.

    Raises:
        UserError: If no folder is given, it cannot be read, or it has fewer than two images.
    """
    if data_dir is None:
        raise UserError("Data set 'folder' is any tree of images: name it with `data_dir=DIR`.")
    train, test = split_keys(list_keys(data_dir, log=log))
    return PhotoSet("folder", data_dir, train, test)
