"""Checkpoints that are written atomically and verified by checksums.

A checkpoint is a folder with some files and `checkpoint.json`, which has the SHA-256 of each file,
the caller's metadata, and a SHA-256 of itself. It is written under a hidden name, flushed to the
disk, and renamed. A folder is a checkpoint, perhaps a damaged one, if it has a `checkpoint.json` or
a name of `checkpoint_name`, and its name does not begin with a dot. Only one process writes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from neuralgym_lite import strict_json
from neuralgym_lite.digests import file_sha256
from neuralgym_lite.errors import UserError

MANIFEST = "checkpoint.json"
BROKEN = "broken"  # folder of damaged checkpoints
_UNFINISHED = ".unfinished-"
_REPLACED = ".replaced-"
_NAME = re.compile(r"iteration-(\d+)")
_TOO_FAR = 1 << 48  # iterations


def save_checkpoint(
    folder: str | Path,
    name: str,
    writers: Mapping[str, Callable[[Path], None]],
    meta: Mapping[str, Any],
) -> Path:
    """Write a checkpoint. One of the same name is replaced.

    Args:
        folder: folder of the run's checkpoints, which is made if necessary.
        name: folder name of this checkpoint.
        writers: for each file name, a function that writes the file to a path.
        meta: metadata of JSON types, which includes `iteration`.

    Returns:
        The path of the checkpoint.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clean(folder)
    final, unfinished = folder / name, folder / f"{_UNFINISHED}{name}"
    try:
        unfinished.mkdir()
        for file, write in writers.items():
            write(unfinished / file)
        sums = {file: file_sha256(unfinished / file) for file in writers}
        manifest = {"iteration": int(meta["iteration"]), "meta": dict(meta), "files": sums}
        manifest["sha256"] = _own_sum(manifest)
        (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        for path in (*unfinished.iterdir(), unfinished):
            _flush(path)
        replaced = final.with_name(f"{_REPLACED}{final.name}")
        if final.exists():
            final.rename(replaced)
        unfinished.rename(final)
        _flush(folder)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return final


def checkpoint_name(iteration: int) -> str:
    """Return the folder name of the checkpoint of an iteration."""
    return f"iteration-{iteration:08d}"


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Return the checkpoint of the highest iteration, which may be damaged, or None."""
    return next(iter(_newest_first(Path(folder))), None)


def newest_whole(folder: str | Path) -> Path | None:
    """Return the undamaged checkpoint of the highest iteration, or None."""
    return next((path for path in _newest_first(Path(folder)) if not _damage(path)), None)


def set_aside(folder: str | Path, on_broken: Callable[[str], object]) -> Path | None:
    """Move damaged checkpoints that are newer than the newest undamaged one to `broken`.

    Only the process that writes the checkpoints may call this. `on_broken` is called with a message
    for each of them. Returns the newest undamaged checkpoint, or None.
    """
    for path in _newest_first(Path(folder)):
        damage = _damage(path)
        if not damage:
            return path
        aside = path.parent / BROKEN / path.name
        aside.parent.mkdir(exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        on_broken(f"{damage} It was moved to '{aside}'.")
    return None


def read_meta(path: str | Path) -> dict[str, Any]:
    """Return the metadata of a checkpoint.

    Raises:
        UserError: if there is no readable checkpoint in `path`.
    """
    return _manifest(Path(path))["meta"]


def verify(path: str | Path) -> None:
    """Compare every file of a checkpoint with its SHA-256.

    Raises:
        UserError: if a file is missing or damaged. The message names it.
    """
    path = Path(path)
    manifest = _manifest(path)
    own = manifest.pop("sha256", None)  # earlier versions wrote none
    if not manifest["files"] or own not in (None, _own_sum(manifest)):
        raise UserError(f"Checkpoint '{path}' is damaged: {MANIFEST} has another SHA-256.")
    for file, expected in manifest["files"].items():
        if not (path / file).is_file():
            raise UserError(f"Checkpoint '{path}' is damaged: '{file}' is missing.")
        if file_sha256(path / file) != expected:
            raise UserError(f"Checkpoint '{path}' is damaged: '{file}' has another SHA-256.")


def prune(folder: str | Path, keep: int, score: str | None = None) -> None:
    """Delete complete checkpoints, except for the `keep` newest and the best.

    The best has the lowest value under the key `score` of its metadata.
    """
    if keep < 1:
        raise UserError(f"`keep` must be 1 or more checkpoints. Received: {keep}.")
    complete = [path for path in _newest_first(Path(folder)) if _is_complete(path)]
    scores = {path: read_meta(path).get(score or "") for path in complete}
    scored = [(value, place) for place, value in enumerate(scores.values()) if value is not None]
    best = complete[min(scored)[1]] if scored else None
    for path in complete[keep:]:
        if path != best:
            hidden = path.rename(path.with_name(f"{_UNFINISHED}{path.name}"))
            shutil.rmtree(hidden)


def clean(folder: str | Path) -> None:
    """Delete the remains of interrupted saves, and restore a checkpoint that was being replaced.

    Only the process that writes the checkpoints may call this. `save_checkpoint` does.
    """
    for replaced in Path(folder).glob(f"{_REPLACED}*"):
        final = replaced.with_name(replaced.name.removeprefix(_REPLACED))
        if final.exists():
            shutil.rmtree(replaced)
        else:
            replaced.rename(final)
    for unfinished in Path(folder).glob(f"{_UNFINISHED}*"):
        shutil.rmtree(unfinished)


def _newest_first(folder: Path) -> list[Path]:
    found = [
        (_iteration(path), path)
        for path in folder.glob("[!.]*")
        if path.is_dir() and ((path / MANIFEST).exists() or _NAME.fullmatch(path.name))
    ]
    return [path for _, path in sorted(found, reverse=True)]


def _iteration(path: Path) -> float:
    """Return the iteration of a checkpoint, or infinity if it is unknown."""
    if name := _NAME.fullmatch(path.name):  # the name is right even if the file is damaged
        return int(name[1])
    try:
        return int(_manifest(path)["iteration"])
    except UserError:
        return math.inf


def _damage(path: Path) -> str:
    """Return a message that says what is damaged, or an empty string."""
    try:
        verify(path)
    except UserError as error:
        return str(error)
    return ""


def _is_complete(path: Path) -> bool:
    """Return whether a checkpoint has all its files. Their content is not read."""
    try:
        files = _manifest(path)["files"]
    except UserError:
        return False
    return all((path / file).is_file() for file in files)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = strict_json.read(path / MANIFEST)
        iteration, meta, files = (manifest[key] for key in ("iteration", "meta", "files"))
        whole = type(iteration) is int and 0 <= iteration < _TOO_FAR
        whole = whole and type(meta) is dict and meta["iteration"] == iteration
        whole = whole and type(files) is dict and all(Path(file).name == file for file in files)
    except OSError:
        raise UserError(f"'{path}' is not a checkpoint: it has no readable {MANIFEST}.") from None
    except (ValueError, LookupError, TypeError):
        whole = False
    if not whole:
        raise UserError(f"Checkpoint '{path}' is damaged: {MANIFEST} cannot be understood.")
    return manifest


def _own_sum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
