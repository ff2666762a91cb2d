"""The folder that an import writes: models, their description and their source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inpaint_tf.importers.checkpoint import Imported
from inpaint_tf.weights import CARD_FILE, FACTS_FILE, GENERATOR_FILE
from neuralgym_lite.digests import file_sha256
from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import temporary_folder

_ARCHITECTURES = {
    "ca": "coarse and refinement network with contextual attention (Yu et al. 2018)",
    "stable-glcic": "two coarse networks, wired as in the paper's code",
}
_DIALECTS = {
    "torch": "symmetric padding, as in the PyTorch port",
    "tf1": '"same" padding and aligned corners, as in the 2018 release; BGR turned into RGB',
}


def check_target(folder: Path) -> None:
    """Check that a folder does not exist or is empty.

    Raises:
        UserError: If it exists and is not empty.
    """
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

    Args:
        folder: a folder that does not exist, or is empty.
        imported: the networks.
        facts: from `describe`.

    Raises:
        UserError: If it cannot be written.
    """
    try:
        with temporary_folder(folder.parent) as hidden:
            imported.generator.save(hidden / GENERATOR_FILE)
            for kind, critic in imported.critics.items():
                critic.save(hidden / f"{kind}_critic.keras")
            text = json.dumps(facts, indent=2)
            (hidden / FACTS_FILE).write_text(f"{text}\n", encoding="utf-8")
            (hidden / CARD_FILE).write_text(_card(facts), encoding="utf-8")
            if folder.exists():
                folder.rmdir()
            hidden.rename(folder)
    except OSError as error:
        raise UserError(f"'{folder}' cannot be written: {reason_of(error)}.") from error


def _card(facts: Any) -> str:
    source, mask = facts["source"], facts["mask"]
    lines = [
        "# Imported weights",
        "",
        f"* **Architecture**: `{facts['architecture']}`, {_ARCHITECTURES[facts['architecture']]}; "
        f"width {facts['width']}, {facts['weights']:,} weights.",
        f"* **Dialect**: `{facts['compat']}`: {_DIALECTS[facts['compat']]}.",
        f"* **Mask mode**: `{mask['name']}`{_mosaic(mask)}, as given at the import; the checkpoint "
        "does not record it.",
    ]
    for kind, critic in facts["critics"].items():
        height, width = critic["size"]
        lines.append(
            f"* **Critic**: {kind}, {height}x{width} pixels, width {critic['width']}, "
            f"{critic['weights']:,} weights."
        )
    lines += [f"* **Licence**: {source['licence']}.", "", "## Source", "", f"{source['format']}:"]
    lines += ["", "| file | SHA-256 |", "|---|---|"]
    lines += [f"| `{file['name']}` | `{file['sha256']}` |" for file in source["files"]]
    lines += ["", "## Difference from the source", "", _difference(facts), ""]
    return "\n".join(lines)


def _mosaic(mask: dict[str, Any]) -> str:
    if mask["name"] != "mosaic":
        return ""
    return f" (blocks of {mask['unit']} pixels, {mask['interpolation']})"


def _difference(facts: Any) -> str:
    known = facts["largest_difference_from_source"]
    if not known:
        return "Not known: no output of the source was given at the import."
    parts = [f"{stage} {value:.1e}" for stage, value in known.items()]
    return f"Largest absolute difference on the probe, in [-1, 1]: {', '.join(parts)}."
