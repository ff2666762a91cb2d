"""What of a folder is listed, opened and written, and that nothing outside of it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from inpaint_tf.studio.folder import Folder, Listed
from neuralgym_lite.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    (root / "below").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "below/c.webp", ".hidden.png", "notes.txt"):
        (root / name).write_bytes(b"x")
    (tmp_path / "secret.png").write_bytes(b"x")
    return root


def paths(folder: Folder) -> list[str]:
    return [each.path for each in folder.photographs()]


def test_photographs_are_listed(root):
    assert paths(Folder(root)) == ["a.jpg", "b.png", "below/c.webp"]


def test_a_photograph_with_a_filled_one_beside_it_is_done(root):
    for name in ("a-filled.jpg", "below/c-filled-2.webp", "x-filled.png", "b-filled.jpg"):
        (root / name).write_bytes(b"x")
    assert Folder(root).photographs() == [
        Listed("a.jpg", True),
        Listed("b-filled.jpg", False),
        Listed("b.png", False),
        Listed("below/c.webp", True),
        Listed("x-filled.png", False),
    ]


def test_links_out_of_the_folder_are_neither_listed_nor_opened(root):
    (root / "out.png").symlink_to(root.parent / "secret.png")
    (root / "elsewhere").symlink_to(root.parent)
    (root / "broken.png").symlink_to(root / "none.png")
    (root / "circle.png").symlink_to(root / "circle.png")
    (root / "in.png").symlink_to(root / "b.png")
    folder = Folder(root)
    assert paths(folder) == ["a.jpg", "b.png", "below/c.webp", "in.png"]
    assert folder.locate("in.png") == root / "b.png"
    for name in ("out.png", "elsewhere/secret.png", "broken.png", "circle.png"):
        with pytest.raises(UserError, match=name):
            folder.locate(name)


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.png", "/etc/passwd", "", ".", "below", "none.png", "a\0.png", "notes.txt"),
        *(".hidden.png", "below/../a.jpg"),
    ],
)
def test_what_is_no_photograph_of_the_folder_is_refused(root, name):
    (root / ".hidden.png").write_bytes((root / "b.png").read_bytes())
    with pytest.raises(UserError):
        Folder(root).locate(name)


def test_a_given_file_must_be_a_photograph(root):
    (root / "notes.txt").write_text("buy milk")
    with pytest.raises(UserError, match=r"notes\.txt: is no photograph. Known formats: \.jpg"):
        Folder(root / "notes.txt")


def test_a_given_photograph_is_the_only_one(root):
    folder = Folder(root / "b.png")
    assert folder.photographs() == [Listed("b.png", False)]
    assert folder.locate("b.png") == root / "b.png"
    with pytest.raises(UserError):
        folder.locate("a.jpg")
    (root / "b-filled.png").write_bytes(b"x")
    assert folder.photographs() == [Listed("b.png", True)]


def test_what_is_missing_is_named(root):
    with pytest.raises(UserError, match=r"none: no such file or folder"):
        Folder(root / "none")


def test_a_new_name_is_proposed(root):
    folder = Folder(root)
    assert folder.proposed_name("below/c.webp") == "c-filled.webp"
    (root / "below/c-filled.webp").symlink_to("nowhere")
    assert folder.proposed_name("below/c.webp") == "c-filled-2.webp"


def test_a_file_is_replaced_only_if_that_was_agreed(root):
    folder = Folder(root)
    assert folder.target("a.jpg", "new.JPG") == root / "new.JPG"
    with pytest.raises(FileExistsError, match=r"a\.jpg exists already"):
        folder.target("a.jpg", "a.jpg")
    assert folder.target("a.jpg", "a.jpg", overwrite=True) == root / "a.jpg"


@pytest.mark.parametrize("name", ["", "../x.jpg", "a/b.jpg", ".x.jpg", "x.png", "x", "x\0.jpg"])
def test_a_name_that_leads_elsewhere_or_is_of_another_format_is_refused(root, name):
    with pytest.raises(UserError):
        Folder(root).target("a.jpg", name, overwrite=True)


def test_nothing_is_written_through_a_link(root):
    (root / "out.png").symlink_to(root.parent / "secret.png")
    with pytest.raises(UserError, match="is a link"):
        Folder(root).target("b.png", "out.png", overwrite=True)
    (root / "below").rename(root.parent / "moved")
    (root / "below").symlink_to(root.parent / "moved")
    with pytest.raises(UserError, match="not in the folder"):
        Folder(root).target("below/c.webp", "new.webp")
