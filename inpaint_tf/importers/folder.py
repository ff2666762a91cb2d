"""The folder that an import writes: models, their description and their source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inpaint_tf.importers.checkpoint import Imported
from inpaint_tf.report.html import render
from inpaint_tf.weights import CARD_FILE, FACTS_FILE, GENERATOR_FILE
from neuralgym_lite.digests import file_sha256
from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import temporary_folder


def check_target(folder: Path) -> None:
    """Raise a UserError if a folder exists and is not empty."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"'{folder}' exists and is not an empty folder. Choose another `out`.")


def describe(imported: Imported, licence: str | None, differences: dict[str, float]) -> Any:
    """Return the content of `model.json`, of JSON types.

    Args:
        imported: the networks.
        licence: license of the weights. Default: what the format suggests.
        differences: stage -> largest difference from the output of the source; empty if unknown.
    """
    model = imported.generator
    return {
        "architecture": imported.architecture,
        "width": model.width,
        "weights": model.count_params(),
        "compat": model.compat,
        "mask": model.mask_mode.get_config(),
        "critics": {
            kind: {
                "size": list(critic.size),
                "width": critic.width,
                "last_width": critic.last_width,
                "weights": critic.count_params(),
            }
            for kind, critic in imported.critics.items()
        },
        "source": {
            "format": imported.format,
            "files": [{"name": path.name, "sha256": file_sha256(path)} for path in imported.files],
            "licence": licence or imported.licence,
        },
        "largest_difference_from_source": differences or None,
    }


def write_folder(folder: Path, imported: Imported, facts: Any) -> None:
    """Write a folder with the networks, `MODEL_CARD.md` and `model.json`, completely or not at all.

    The folder does not exist, or is empty. The facts are those of `describe`.
    """
    try:
        with temporary_folder(folder.parent) as hidden:
            imported.generator.save(hidden / GENERATOR_FILE)
            for kind, critic in imported.critics.items():
                critic.save(hidden / f"{kind}_critic.keras")
            text = json.dumps(facts, indent=2)
            (hidden / FACTS_FILE).write_text(f"{text}\n", encoding="utf-8")
            card = render("import_card.md.j2", facts=facts)
            (hidden / CARD_FILE).write_text(card, encoding="utf-8")
            if folder.exists():
                folder.rmdir()
            hidden.rename(folder)
    except OSError as error:
        raise UserError(f"'{folder}' cannot be written: {reason_of(error)}.") from error
