"""Checks of names that several modules of this package share."""

from __future__ import annotations

from neuralgym_lite.errors import UserError, did_you_mean


def check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    """Raise a UserError if a name is unknown."""
    if name not in known:
        raise UserError(f"Unknown {what}: '{name}'. {did_you_mean(name, known)}")
