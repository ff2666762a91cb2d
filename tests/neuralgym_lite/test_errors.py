"""Errors for people."""

from __future__ import annotations

import pytest

from neuralgym_lite.errors import UserError, did_you_mean, reason_of


def test_near_name():
    assert did_you_mean("mosiac", ("hole", "mosaic")) == "Did you mean 'mosaic'?"


def test_no_name_is_near():
    assert did_you_mean("x", ("mosaic", "hole")) == "Known: hole, mosaic."


def test_not_a_string():
    assert did_you_mean(7, ("hole",)) == "Known: hole."


def test_known_names_may_be_a_generator():
    assert did_you_mean("b", (name for name in "ca")) == "Known: a, c."


def test_is_a_value_error():
    assert issubclass(UserError, ValueError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "x"), "Permission denied"),
        (OSError("cannot\n identify"), "cannot identify"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_reasons_are_one_line(error: Exception, words: str) -> None:
    assert reason_of(error) == words
