"""Where a model comes from: the one place that knows names, run folders, files and exports."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from inpaint_tf import weights
from inpaint_tf.exported_version import EXPORT_FILES, ExportedVersion
from inpaint_tf.weights import FACTS_FILE, GENERATOR_FILE
from neuralgym_lite.checkpoint import latest_checkpoint, newest_whole, read_meta, verify
from neuralgym_lite.errors import UserError, did_you_mean
from neuralgym_lite.experiment import RunFolder

if TYPE_CHECKING:
    from inpaint_tf.models import Critic, InpaintingModel

Kind: TypeAlias = Literal["classical", "preset", "run", "folder", "file", "export", "server"]

CLASSICAL = {
    "ns": "Navier-Stokes inpainting of OpenCV, radius 3 pixels; needs no network.",
    "telea": "Fast marching inpainting of OpenCV (Telea), radius 3 pixels; needs no network.",
}
CRITICS = ("local_critic", "global_critic")
_SERVERS = ("http://", "https://", "grpc://")
MAX_SIDE = 8192  # Pixels of an image in training and in an evaluation.


def presets() -> dict[str, str]:
    """Return the names that `load` accepts, each with a description.

    Returns:
        The networks that come with the install, then OpenCV's methods.

    Example:
        >>> sorted(inpaint_tf.presets())
        ['ca-mosaic', 'ca-photos', 'ns', 'telea']
    """
    return {name: weights.facts(name)["summary"] for name in weights.names()} | CLASSICAL


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from, and what is recorded about it. Make one with `find`.

    Attributes:
        given: the name or path as the caller gave it.
        kind: `"classical"` (OpenCV), `"preset"` (comes with the install), `"run"` (a run folder),
            `"folder"` (holds a `generator.keras`: written by `inpaint-tf import`, or a checkpoint),
            `"file"` (`.keras` or `.safetensors`), `"export"` (written by `inpaint-tf export`) or
            `"server"` (the URL of a model in TensorFlow Serving).
        path: the file or folder; for a classical method and a model on a server its name.

    Example:
        >>> from inpaint_tf.model_source import ModelSource
        >>> ModelSource.find("ca-photos").kind
        'preset'
        >>> ModelSource.find("telea").provenance()
        {'source': 'telea'}
    """

    given: str
    kind: Kind
    path: Path

    @classmethod
    def find(cls, source: str | Path) -> ModelSource:
        """Decide what a name or path is.

        Args:
            source: one of `presets()`, a run folder, a folder written by `inpaint-tf import`, a
                `.keras` or `.safetensors` file, an exported model, or a URL:
                `http://HOST:PORT/v1/models/NAME` or `grpc://HOST:PORT/NAME`.

        Raises:
            UserError: if there is no such thing, or the folder holds no model.
        """
        given = str(source)
        if given in CLASSICAL:
            return cls(given, "classical", Path(given))
        if given.startswith(_SERVERS):
            return cls(given, "server", Path(given.rstrip("/").rpartition("/")[2]))
        path = weights.locate(source)
        if given in weights.names():
            return cls(given, "preset", path)
        if (path / GENERATOR_FILE).is_file():
            return cls(given, "folder", path)
        if exported := ExportedVersion.find(path):
            if exported.format == "safetensors":  # weights, which Keras runs
                return cls(given, "file", exported.path)
            return cls(given, "export", path)
        if path.is_dir():
            return cls(given, "run", RunFolder.open(path).path)
        if path.is_file():
            return cls(given, "file", path)
        raise UserError(
            f"There is no model '{path}'. {did_you_mean(given, presets())} A run folder, and the "
            "path of a saved or exported model, can be given as well."
        )

    @property
    def name(self) -> str:
        """What tables and messages call the model."""
        if self.kind == "file" and self.path.name == EXPORT_FILES["safetensors"]:
            facts = ExportedVersion("safetensors", self.path).facts()
            return str(facts.get("name", self.path.stem))
        if exported := self.exported:
            facts = exported.facts()
            precision = facts.get("precision", "float32")
            short = "" if precision == "float32" else f", {precision}"
            return f"{facts.get('name', self.path.stem)}, {exported.format}{short}"
        if self.kind == "server":
            return f"{self.path}, {self.given.partition(':')[0]}"
        return self.path.stem if self.kind == "file" else self.path.name

    @property
    def exported(self) -> ExportedVersion | None:
        """The exported model; None for anything else."""
        return ExportedVersion.find(self.path) if self.kind == "export" else None

    @property
    def run(self) -> RunFolder | None:
        """The run folder; None for anything else."""
        return RunFolder(self.path) if self.kind == "run" else None

    @cached_property
    def checkpoint(self) -> Path | None:
        """The newest checkpoint of a run, complete; None for anything else.

        Raises:
            UserError: if the run has no checkpoint yet, or the newest one is damaged.
        """
        return newest_checkpoint(self.run) if self.run else None

    @property
    def generator_file(self) -> Path:
        """The `.keras` or `.safetensors` file of the generator.

        Raises:
            UserError: if there is none, or it is in a damaged checkpoint.
        """
        if self.kind == "classical":
            raise UserError(f"'{self.given}' is not a network: it has no weights.")
        if self.kind in ("export", "server"):
            raise UserError(
                f"'{self.given}' is an exported model, which can be filled with and evaluated. For "
                "anything else give what it was exported from: a run folder or a .keras file."
            )
        return self.path if self.kind == "file" else (self.checkpoint or self.path) / GENERATOR_FILE

    @property
    def facts_file(self) -> Path | None:
        """The `model.json` beside the generator; None if there is none."""
        file = self.path / FACTS_FILE
        return file if file.is_file() else None

    @property
    def default_detail(self) -> bool:
        """Whether fills get detail unless told otherwise."""
        return self.kind == "preset" and bool(weights.facts(self.given).get("detail"))

    @property
    def trained_hole(self) -> int | None:
        """How wide holes were in training, in pixels; None if unknown, or trained on mosaics."""
        facts = weights.facts(self.given) if self.kind == "preset" else {}
        return int(facts["history"][-1]["size"]) // 2 if facts.get("mask mode") == "hole" else None

    def load_generator(self) -> InpaintingModel:
        """Load the generator from a `.keras` file.

        `importers.safetensors_model.load_generator` loads it from any file.

        Raises:
            UserError: if there is none, or its file is damaged or not safe to load.
        """
        from inpaint_tf.models import InpaintingModel
        from inpaint_tf.models.keras_file import load_keras_file

        return load_keras_file(self.generator_file, InpaintingModel)

    def load_critics(self) -> dict[str, Critic]:
        """Load the critics that lie beside the generator as `.keras` files, by name.

        A run keeps its critics in its checkpoints, for `training.run.load_trainer` to read.

        Raises:
            UserError: if a file is damaged or not safe to load.
        """
        from inpaint_tf.models import Critic
        from inpaint_tf.models.keras_file import load_keras_file

        files = {name: self.path / f"{name}.keras" for name in CRITICS}
        return {
            name: load_keras_file(file, Critic) for name, file in files.items() if file.is_file()
        }

    def provenance(self) -> dict[str, Any]:
        """Return what a report says about the origin of the model, of JSON types.

        Returns:
            The source; for a network the SHA-256 of its file; for a run also its checkpoint,
            iteration and data set.

        Raises:
            UserError: if the source has been removed or is damaged.
        """
        known: dict[str, Any] = {"source": self.given}
        if self.kind in ("classical", "server"):
            return known
        if self.exported:
            bytes_and_digest = {"bytes": self.exported.size(), "sha256": self.exported.sha256()}
            return {**known, **self.exported.facts(), **bytes_and_digest}
        if self.run and self.checkpoint:
            known["checkpoint"] = self.checkpoint.name
            known["iteration"] = read_meta(self.checkpoint)["iteration"]
            known["trained on"] = self.run.read_config().get("data", {}).get("dataset")
        return {**known, "sha256": hashlib.sha256(self.generator_file.read_bytes()).hexdigest()}


def newest_checkpoint(run: RunFolder) -> Path:
    """Return the folder of a run's newest checkpoint, which is complete.

    Raises:
        UserError: if there is none, or it is damaged.
    """
    latest = latest_checkpoint(run.checkpoints)
    if latest is None:
        raise UserError(f"Run '{run.path}' has no checkpoint yet. Train it further first.")
    try:
        verify(latest)
    except UserError as error:
        # An older one is not taken unasked: its results would pass for those of the newest.
        before = newest_whole(run.checkpoints)
        give = f"Give '{before / GENERATOR_FILE}' to take the one before it" if before else ""
        way_out = f"{give}, or resume the training" if before else "Resume the training"
        raise UserError(f"{error} {way_out}, which sets damaged ones aside.") from None
    return latest
