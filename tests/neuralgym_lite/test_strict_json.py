"""JSON of somebody else: what is long, deep or ambiguous is refused at once."""

from __future__ import annotations

import json
import time

import pytest

from neuralgym_lite.strict_json import MAX_BYTES, MAX_DEPTH, parse, read


def test_what_is_sound_is_read(tmp_path):
    value = {"a": [1, -2.5e3, None, True, "é"], "b": {"c": {}, "d": 10**29}}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    assert read(path) == value
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(parse(deepest.encode())) == deepest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "nested deeper than 100"),
        ("[" * 500_000, "nested deeper than 100"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested deeper than 100"),
        ("9" * 5000, "5,000 digits"),
        ('{"a": {"b": 1, "c": 2, "b": 1}}', "the key 'b' occurs twice"),
        (" " * (MAX_BYTES + 1), "longer than 1,048,576 bytes"),
        ('{"a": &x [1], "b": *x}', "Expecting value"),
        ("", "Expecting value"),
    ],
)
def test_refusals(text, words):
    begin = time.thread_time()
    with pytest.raises(ValueError, match=words) as caught:
        parse(text.encode())
    assert time.thread_time() - begin < 10
    assert "\n" not in str(caught.value)


def test_no_more_of_a_file_is_read_than_may_be(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole
    with pytest.raises(ValueError, match="longer than"):
        read(path)
