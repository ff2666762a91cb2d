"""The networks that come with the install: a folder for each name, with its model card."""

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
    """Return the folder of a network that comes with the install; any other path unchanged."""
    return _HERE / source if str(source) in names() else Path(source)


def facts(name: str) -> dict[str, Any]:
    """Return the facts about a network that comes with the install: training, scores, license."""
    found: dict[str, Any] = json.loads((_HERE / name / FACTS_FILE).read_text(encoding="utf-8"))
    return found
