"""Lists of the images in a folder: sorted, links followed, and what is left out named."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuralgym_lite.errors import UserError
from neuralgym_lite.image_folders import find_images


def test_find_images_sorts_and_skips(tmp_path: Path) -> None:
    wanted = ["B.PNG", "a.jpg", "deep/er/c.WebP", "deep/z.jpeg", "t.TIF", "u.tiff", "z.bmp"]
    for name in [*wanted, ".hidden.png", ".git/x.png", "deep/.y/x.png", "notes.txt", "gif.gif"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == wanted


def told_of(folder: Path) -> list[str]:
    lines: list[str] = []
    find_images(folder, lines.append)
    return lines


def test_what_is_left_out_is_told_by_kind_in_one_line(tmp_path: Path) -> None:
    names = [
        "a.png",
        "1.heic",
        "2.HEIC",
        "3.heic",
        "deep/4.gif",
        "5.gif",
        "6.txt",
        "7",
        "8.no-word",
    ]
    for name in [*names, ".DS_Store", "Thumbs.db", "deep/desktop.ini", ".hidden/x.gif"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (line,) = told_of(tmp_path)
    expected = "left out 3 .heic, 2 .gif, 1 .txt and 2 other files; read are .jpg, .jpeg, .png"
    assert line.startswith(f"{tmp_path}: {expected}")
    assert "\n" not in line


def test_of_many_kinds_the_most_frequent_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    for kind in range(30):
        for number in range(1 + (kind == 17)):
            (tmp_path / f"{number}.x{kind}").touch()
    (line,) = told_of(tmp_path)
    assert "left out 2 .x17, " in line
    assert "22 other files" in line


def test_nothing_is_told_where_nothing_is_left_out(tmp_path: Path) -> None:
    for name in ("a.png", ".hidden", "Thumbs.db"):
        (tmp_path / name).touch()
    assert told_of(tmp_path) == []


def test_a_folder_without_pictures_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.heic").touch()
    with pytest.raises(UserError, match=r"no picture in it \(looked for .*; found 1 .heic file\)"):
        find_images(tmp_path)


def names_of(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_images(folder)]


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    for name in ("photos/a.png", "elsewhere/b.png", "elsewhere/deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "photos/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/.hidden").symlink_to(tmp_path / "elsewhere")
    assert names_of(tmp_path / "photos") == ["a.png", "link/b.png", "link/deep/c.png"]


def test_links_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.png").touch()
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/b/self").symlink_to(".")
    (tmp_path / "a/again").symlink_to("b")
    (tmp_path / "loop").symlink_to("loop")
    assert names_of(tmp_path) == ["a/b/c.png"]


def test_a_folder_keeps_its_own_name_beside_links_to_it(tmp_path: Path) -> None:
    """Names decide the split, and those without links must not change."""
    (tmp_path / "z/deep").mkdir(parents=True)
    (tmp_path / "z/deep/c.png").touch()
    (tmp_path / "a").symlink_to("z")
    (tmp_path / "b").symlink_to("z/deep")
    assert names_of(tmp_path) == ["z/deep/c.png"]


def test_of_two_links_to_a_folder_the_first_name_counts(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/c.png").touch()
    (tmp_path / "photos").mkdir()
    for name in ("y", "x"):
        (tmp_path / "photos" / name).symlink_to(tmp_path / "elsewhere")
    assert names_of(tmp_path / "photos") == ["x/c.png"]


def test_find_images_refuses(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        find_images(tmp_path / "none")
    with pytest.raises(UserError, match="no picture in it"):
        find_images(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="not a folder"):
        find_images(tmp_path / "file")


@pytest.mark.usefixtures("locked_folder")
def test_find_images_skips_no_folder_silently(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(PermissionError, match="locked"):
        find_images(tmp_path)
