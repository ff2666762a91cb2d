"""The folder of a run: settings, manifest, scalars, images and checkpoints."""

from __future__ import annotations

import datetime
import importlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import atomic_write, remove, remove_leftovers
from neuralgym_lite.run_lock import RunLock, locks_in

_LIBRARIES = {"keras": "keras", "numpy": "numpy", "opencv": "cv2"}


class RunFolder:
    """The folder of one run and the paths in it.

    A folder is a run if it has a `manifest.json`. Use `create` or `open` to make an instance.

    Attributes:
        path: the folder.
        checkpoints: folder of the checkpoints.
        images: folder of the picture grids.
        tensorboard: folder of the TensorBoard events.
        scalars: JSON lines, one for each logged iteration.
        validation: JSON lines, one for each validation.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.images = self.path / "images"
        self.tensorboard = self.path / "tensorboard"
        self.scalars = self.path / "scalars.jsonl"
        self.validation = self.path / "validation.jsonl"
        self._config = self.path / "config.json"
        self._manifest = self.path / "manifest.json"

    @classmethod
    def create(
        cls, path: str | Path, overwrite: bool = False, lock: RunLock | None = None
    ) -> RunFolder:
        """Make an empty folder for a new run.

        Args:
            path: a folder that does not exist or is empty.
            overwrite: delete an earlier run from `path` first. Files that no run writes are kept.
            lock: is acquired before anything in the folder changes. None: no other process can use
                the folder.

        Returns:
            The run folder. It becomes a run with `write_manifest`.

        Raises:
            UserError: if `path` is a file, has a run and `overwrite` is False, has other files, or
                is in use by another process.
        """
        run = cls(path)
        if run.path.exists() and not run.path.is_dir():
            raise UserError(f"'{path}' is a file, not a folder. Choose another run folder.")
        remove_leftovers(run.path)
        if run.path.is_dir() and set(run.path.iterdir()) - set(locks_in(run.path)):
            if not run._manifest.exists():
                raise UserError(
                    f"'{path}' is not empty and not a run (it has no {run._manifest.name}), so "
                    "nothing in it is touched. Choose another run folder."
                )
            if not overwrite:
                raise UserError(
                    f"Run folder '{path}' already holds a run. "
                    "Choose another, or pass `resume` or `overwrite`."
                )
        run.path.mkdir(parents=True, exist_ok=True)
        if lock:
            lock.hold(run.path)
        if run._manifest.exists():
            run._clear()
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open the folder of an earlier run.

        Raises:
            UserError: if there is no run in `path`.
        """
        run = cls(path)
        if not run.path.is_dir():
            raise UserError(f"There is no run folder '{path}'. Check the path.")
        if not run._manifest.is_file():
            raise UserError(f"'{path}' is not a run folder: it has no {run._manifest.name}.")
        return run

    def write_manifest(self, config: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        """Write `manifest.json` and `config.json` atomically.

        Args:
            config: the resolved settings, of JSON types.
            extra: entries for the manifest, such as the package version, the seed, the data, the
                command line and the parent run. The creation time, the machine and the versions of
                the libraries are added.
        """
        manifest = {
            "created": _now(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpu_count": os.cpu_count(),
            "versions": library_versions(),
            **extra,
        }
        # The manifest makes it a run, which `overwrite` may clear; so it comes before the rest.
        _write_json(self._manifest, manifest)
        _write_json(self._config, config)
        for folder in (self.checkpoints, self.images, self.tensorboard):
            folder.mkdir(exist_ok=True)

    def replace_config(self, config: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Replace the settings and the entry for the data. The manifest keeps the earlier ones."""
        manifest = self.read_manifest()
        before = {"replaced": _now(), "config": self.read_config(), "data": manifest.get("data")}
        earlier = [*manifest.get("earlier", []), before]
        # In this order, the settings of any checkpoint are always in one of the two files.
        _write_json(self._manifest, {**manifest, "data": data, "earlier": earlier})
        _write_json(self._config, config)

    def read_config(self) -> dict[str, Any]:
        """Return the present settings of the run."""
        return _read_json(self._config)

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest."""
        return _read_json(self._manifest)

    def _clear(self) -> None:
        # The manifest is deleted last, so that an interrupted deletion can be repeated.
        folders = (self.checkpoints, self.images, self.tensorboard)
        files = (self.scalars, self.validation, self._config, self._manifest)
        for path in (*folders, *files):
            remove(path)


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that results depend on."""
    backend = importlib.import_module("keras").backend.backend()
    modules = {backend: backend, **_LIBRARIES}
    return {name: str(importlib.import_module(each).__version__) for name, each in modules.items()}


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    atomic_write(path, f"{text}\n".encode())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = strict_json.read(path)
    except FileNotFoundError:
        raise UserError(f"The run is incomplete: '{path}' is missing.") from None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise UserError(f"The run is damaged: '{path}' is not a JSON object.")
    return data
