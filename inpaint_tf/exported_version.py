"""What lies in a folder that `inpaint-tf export` wrote."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuralgym_lite import strict_json
from neuralgym_lite.digests import file_sha256
from neuralgym_lite.errors import UserError

# The file by which an exported version is known.
EXPORT_FILES = {
    "saved_model": "saved_model.pb",
    "onnx": "model.onnx",
    "tflite": "model.tflite",
    "safetensors": "model.safetensors",
}
EXPORT_FACTS = "export.json"


@dataclass(frozen=True)
class ExportedVersion:
    """One exported model.

    Attributes:
        format: a key of `EXPORT_FILES`.
        path: what is opened: the folder of a SavedModel, or the file.
    """

    format: str
    path: Path

    @classmethod
    def find(cls, path: Path) -> ExportedVersion | None:
        """Return the export at a path; None if there is none.

        Args:
            path: a version; a folder of numbered versions, of which the newest is taken; or a file.

        Example:
            >>> from pathlib import Path
            >>> from inpaint_tf.exported_version import ExportedVersion
            >>> ExportedVersion.find(Path("missing")) is None
            True
        """
        if path.is_file():
            known = path.suffix in (".onnx", ".tflite")
            return cls(path.suffix[1:], path) if known else None
        numbered = [each for each in path.glob("[0-9]*") if each.name.isdecimal()]
        numbered.sort(key=lambda each: int(each.name), reverse=True)
        for folder in (path, *numbered):
            for file_format, file in EXPORT_FILES.items():
                if (folder / file).is_file():
                    return cls(file_format, folder if file.endswith(".pb") else folder / file)
        return None

    @property
    def folder(self) -> Path:
        """The folder of the version."""
        return self.path if self.format == "saved_model" else self.path.parent

    def facts(self) -> dict[str, Any]:
        """Return what `inpaint-tf export` recorded; the format alone of a file without a record.

        Returns:
            `name`, `model`, `format`, `precision`, `mask` (of the mask mode), `attention` (whether
            the network has it), `offsets` (whether they are an output), `detail` (whether the
            exported model adds it), and `network` (the SHA-256 of the network's file).

        Raises:
            UserError: if the record is damaged.
        """
        from inpaint_tf.masks import MaskMode  # which needs OpenCV; finding an export does not

        record = self.folder / EXPORT_FACTS
        if not record.is_file():
            return {"format": self.format}
        try:
            facts = dict(strict_json.read(record))
            if facts["format"] != self.format:
                raise ValueError(f"it is of format {facts['format']}")
            MaskMode(**facts.get("mask", {}))
            return facts
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"'{record}' is damaged ({error}): export the model again.") from error

    @property
    def files(self) -> list[Path]:
        """What holds the model: one file, or the graph and the variables of a SavedModel."""
        if self.format != "saved_model":
            return [self.path]
        return sorted([self.path / EXPORT_FILES[self.format], *self.path.glob("variables/*")])

    def size(self) -> int:
        """Return the bytes of the model."""
        return sum(file.stat().st_size for file in self.files)

    def sha256(self) -> str:
        """Return the digest of the file; of a SavedModel, of its graph's and variables' digests."""
        digests = [file_sha256(file) for file in self.files]
        if self.format != "saved_model":
            return digests[0]
        return hashlib.sha256("".join(digests).encode()).hexdigest()
