"""Networks that come with the install: a folder each, called by its name, with a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GENERATOR_FILE = "generator.keras"
FACTS_FILE = "model.json"
CARD_FILE = "MODEL_CARD.md"

DEFAULT = "ca-photos"

_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the networks that come with the install."""
    return tuple(sorted(path.parent.name for path in _HERE.glob(f"*/{GENERATOR_FILE}")))


def locate(source: str | Path) -> Path:
    """Return where a model lies: the folder of a name, or the path itself."""
    return _HERE / source if str(source) in names() else Path(source)


def comes_with_detail(source: str | Path) -> bool:
    """Return whether a model is one that comes with the install and fills with detail."""
    return str(source) in names() and bool(facts(str(source)).get("detail"))


def trained_hole(source: str | Path) -> int | None:
    """Return how wide the holes of a network of the package were in training, in pixels.

    None for other models, and for those that are shown a mosaic.
    """
    known = facts(str(source)) if str(source) in names() else {}
    return int(known["history"][-1]["size"]) // 2 if known.get("mask mode") == "hole" else None


def facts(name: str) -> dict[str, Any]:
    """Return what is known of a network that comes with the install: training, scores, licence."""
    found: dict[str, Any] = json.loads((_HERE / name / FACTS_FILE).read_text(encoding="utf-8"))
    return found
