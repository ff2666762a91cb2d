"""`per_image.csv`: no cell is a formula, and names come back as they were."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from inpaint_tf.report.figures import worst_photographs
from inpaint_tf.report.per_image import read_rows, write_rows

LEADS = ("=", "+", "-", "@", "\t", "\r", "\n")
PLAIN = ("a.png", "a=1.png", "'quoted'.png", 'a,b;"c".png', "\udcff.png", "", "'", "a\rb\n")
NAMES = (*PLAIN, *(f"{lead}1+cmd|' /C calc'!A0" for lead in LEADS), "'=x", "''@x", "'-")


def write(path: Path, names: tuple[str, ...] = NAMES) -> Path:
    rows = ((name, f"-{i}", ["-1.5", "inf"]) for i, name in enumerate(names))
    path.write_bytes(write_rows(["tv_gap_hole_255", "psnr_hole_db"], rows))
    return path


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def test_no_text_is_a_formula_and_numbers_are_numbers(tmp_path: Path) -> None:
    head, *rows = cells(write(tmp_path / "per_image.csv"))
    assert head == ["photograph", "method", "tv_gap_hole_255", "psnr_hole_db"]
    assert [row[0] for row in rows[: len(PLAIN)]] == list(PLAIN)
    for name, row in zip(NAMES[len(PLAIN) :], rows[len(PLAIN) :], strict=True):
        assert row[0] == f"'{name}"
    for index, row in enumerate(rows):
        assert row[1:] == [f"'-{index}", "-1.5", "inf"]
        assert not row[0].startswith(LEADS)


def test_names_come_back_as_they_were(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path / "per_image.csv"))
    assert [row["photograph"] for row in rows] == list(NAMES)
    assert [row["method"] for row in rows] == [f"-{i}" for i in range(len(NAMES))]
    assert {row["tv_gap_hole_255"] for row in rows} == {"-1.5"}


@pytest.mark.parametrize("name", NAMES)
def test_the_worst_photographs_have_their_own_names(tmp_path: Path, name: str) -> None:
    table = write(tmp_path / "per_image.csv", (name,))
    assert worst_photographs(table, "-0", "tv_gap_hole_255", 1) == {name: -1.5}
