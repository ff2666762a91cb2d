"""YAML of somebody else: scalars by the rules of YAML 1.2, and one line about what is refused."""

from __future__ import annotations

import math

import pytest

from neuralgym_lite.strict_yaml import MAX_BYTES, entry, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[~, null, '', \"\"]", [None, None, "", ""]),
        ("[true, False, yes, off]", [True, False, "yes", "off"]),
        ("[010, 0x1F, 0o17, -3, 1_000]", [10, 31, 15, -3, "1_000"]),
        ("[1e-4, .5, -.INF, 1., e5, 1:30]", [1e-4, 0.5, -math.inf, 1.0, "e5", "1:30"]),
        ("{<<: 2001-01-01, a: }", {"<<": "2001-01-01", "a": None}),
        ("", None),
    ],
)
def test_values(text, value):
    assert parse(text.encode()) == value
    assert parse(entry("key", value).encode()) == {"key": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2, column 1: the key 'a' occurs twice"),
        ("- &a 1\n- *a", "line 2, column 3: aliases"),
        ("a: !!float 1", r"line 1, column 4: tags \(here tag:yaml.org,2002:float\)"),
        ("a: !mine 1", r"line 1, column 4: tags \(here !mine\)"),
        ("a: [1,\n", "line 2, column 1: "),
        ("a\n\a", "line 2, column 1: special characters are not allowed"),
        (" " * (MAX_BYTES + 1), "longer than 65,536 bytes"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse(text.encode())
    assert "\n" not in str(caught.value)
