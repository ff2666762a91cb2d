"""The data set "Animal Image Dataset (90 Different Animals)" and others of its layout."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

from inpaint_tf.data.locations import cache_folder, find, locate
from inpaint_tf.data.photo_set import PhotoSet, list_keys
from inpaint_tf.data.split import split_each
from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import temporary_folder
from neuralgym_lite.image_folders import Log

KAGGLE_HANDLE = "iamsouravbanerjee/animal-image-dataset-90-different-animals"


def open_animals(data_dir: Path | None, log: Log | None = None) -> PhotoSet:
    """Open a folder with the layout `<class>/*.jpg`, split 11:1 within each class.

    60 photographs of a class become 55 train and 5 test photographs.

    Args:
        data_dir: the folder of the class folders, or a folder that contains it as `animals` or
            `animals/animals`, like Kaggle's archive. None: search `$INPAINT_TF_DATA` and the
            cache folder.
        log: see `find_images`.
    """
    root, classes = _read_classes(data_dir or locate("animals"), log)
    return PhotoSet("animals", root, *split_each(classes))


def _read_classes(folder: Path, log: Log | None = None) -> tuple[Path, dict[str, tuple[str, ...]]]:
    """Return the folder of the class folders, and the keys relative to it by class."""
    root, keys = folder, list_keys(folder, log=log)
    for _ in range(2):
        nested = tuple(key.removeprefix("animals/") for key in keys if key.startswith("animals/"))
        # A folder `animals` with images directly in it is a class.
        if not nested or any("/" not in key for key in nested):
            break
        root, keys = root / "animals", nested
    classes = defaultdict(list)
    for key in keys:
        name, slash, _ = key.partition("/")
        if slash:
            classes[name].append(key)
    if not classes:
        raise UserError(
            f"'{folder}' has images but no class folders: data set 'animals' needs "
            "'<class>/*.jpg'; for a plain folder of images use `dataset=folder`."
        )
    if log and (others := len(keys) - sum(map(len, classes.values()))):
        log(f"{root}: left out {others} image{'s' * (others > 1)} beside the class folders")
    return root, {name: tuple(keys) for name, keys in classes.items()}


def fetch_animals() -> Path:
    """Download the data set from Kaggle into the cache folder, unless it is on this machine."""
    return find("animals") or _keep(_download(), cache_folder() / "animals")


def _download() -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise UserError(
            "Data set 'animals' comes through kagglehub, which is not installed: "
            "run 'pip install \"inpaint-tf[kaggle]\"'."
        ) from error
    try:
        return Path(kagglehub.dataset_download(KAGGLE_HANDLE))
    # kagglehub raises its own errors, those of requests and OSError, which share no base class.
    except Exception as error:
        raise UserError(
            f"Kaggle did not deliver '{KAGGLE_HANDLE}': {reason_of(error)}; check the connection "
            "and your Kaggle account, or download it by hand and name it with `data_dir=DIR`."
        ) from error


def _keep(download: Path, target: Path) -> Path:
    """Copy a download to `target`, completely or not at all."""
    source, _ = _read_classes(download)
    try:
        with temporary_folder(target.parent) as scratch:
            copy = scratch / target.name
            shutil.copytree(source, copy, copy_function=_link_or_copy)
            copy.rename(target)
    except OSError as error:
        # copytree reports every file that failed, not a single reason.
        reason = error.strerror or "not every file could be copied"
        raise UserError(
            f"Cannot keep data set 'animals' in '{target}': {reason}; make room there or set "
            "$INPAINT_TF_CACHE to another folder."
        ) from error
    return target


def _link_or_copy(source: str, target: str) -> None:
    """Hard-link a file, which takes no space, or copy it if the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
