"""Errors for people."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from neuralgym_lite.errors import UserError, did_you_mean, printable, reason_of


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
        (UserError("two  blanks.png: gone"), "two  blanks.png: gone"),
    ],
)
def test_reasons_are_one_line(error: Exception, words: str) -> None:
    assert reason_of(error) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07.png", r"\x1b[31mred\x07.png"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("\x7f\x80\x9b1m\x9f", r"\x7f\x80\x9b1m\x9f"),
        ("\u202agpj\u202e\u2066\u2069\u2028", r"\u202agpj\u202e\u2066\u2069\u2028"),
        ("\udcff\ud800.png", "\ufffd\ufffd.png"),
        ("Ümläut 猫 😀\xa0[bold]C:\\x", "Ümläut 猫 😀\xa0[bold]C:\\x"),
        (Path("a\nb"), r"a\nb"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text: object, shown: str) -> None:
    assert printable(text) == shown
    shown.encode()


def test_every_control_character_is_escaped() -> None:
    steering = [chr(i) for i in range(0x110000) if unicodedata.category(chr(i)) in ("Cc", "Cs")]
    assert len(steering) == 65 + 2048
    shown = printable("".join(steering))
    assert shown.isprintable()
