"""Folders of data sets on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from neuralgym_lite.errors import UserError


def cache_folder() -> Path:
    """Return the cache folder of downloads, which may not exist.

    `$INPAINT_TF_CACHE`, else `$XDG_CACHE_HOME/inpaint-tf`, else `~/.cache/inpaint-tf`.
    """
    if own := os.environ.get("INPAINT_TF_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inpaint-tf"


def data_folder() -> Path | None:
    """Return `$INPAINT_TF_DATA`, the user's folder of data sets; None if it is not set."""
    folder = os.environ.get("INPAINT_TF_DATA")
    return Path(folder).expanduser() if folder else None


def find(name: str) -> Path | None:
    """Return the folder of a data set in `$INPAINT_TF_DATA` or the cache folder, or None."""
    places = (place / name for place in (data_folder(), cache_folder()) if place)
    return next((place for place in places if place.is_dir()), None)


def locate(name: str) -> Path:
    """Return the folder of a data set for which no folder was given; a UserError without one."""
    if found := find(name):
        return found
    own = data_folder()
    raise UserError(
        f"Data set '{name}' is not on this machine: looked at `data_dir` (not given), "
        f"$INPAINT_TF_DATA/{name} ({own / name if own else 'not set'}) and "
        f"'{cache_folder() / name}'; get it with 'inpaint-tf data get {name}', "
        "or use `dataset=samples`, which needs no download."
    )


def fetch_by_hand(name: str, instruction: str) -> Path:
    """Return the folder of a data set; a UserError with an instruction how to download it."""
    if found := find(name):
        return found
    raise UserError(
        f"Data set '{name}' has to be downloaded by hand: {instruction}; then unpack it into "
        f"'{(data_folder() or cache_folder()) / name}', or name its folder with `data_dir=DIR`."
    )
