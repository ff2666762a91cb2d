"""Folders to write to: made and tried, without a trace, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuralgym_lite.errors import UserError
from neuralgym_lite.folders import make_folder


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    for _ in range(2):
        assert make_folder(folder) == folder
        assert list(folder.iterdir()) == []


def test_what_is_in_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    make_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "file' cannot be made: File exists; choose another with --out"),
        ("file/below", "below' cannot be made: Not a directory; choose another with --out"),
    ],
)
def test_no_folder_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=words):
        make_folder(tmp_path / name)


def test_a_folder_that_takes_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(UserError, match="cannot be written to: Permission denied; choose"):
        make_folder(tmp_path)
