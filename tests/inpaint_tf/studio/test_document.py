"""Open photographs: versions upon each other, what they hold, and how they are shown."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import inpaint_tf
from inpaint_tf.studio import documents as documents_module
from inpaint_tf.studio import reduction
from inpaint_tf.studio.document import ORIGINAL, Choice, Document, GoneError
from inpaint_tf.studio.documents import Documents
from inpaint_tf.studio.folder import Folder
from inpaint_tf.studio.reduction import Box, bounding_box, covered, enlarged, factor_of, reduced
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import read_picture

HEIGHT, WIDTH = 40, 60


@pytest.fixture
def photograph(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def document(photograph, tmp_path):
    (tmp_path / "versions").mkdir()
    return Document("key", photograph, tmp_path / "versions", "photo.png")


@pytest.fixture
def documents():
    documents = Documents()
    yield documents
    documents.close()
    assert not documents.folder.exists()


def fill(document, parent, *box):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[Box(*box).slices] = 1
    filled = inpaint_tf.load("telea").fill(document.picture(parent), mask)
    return document.add(parent, filled, mask, Choice("telea")), filled


def same(one, other):
    return np.array_equal(one.rgb, other.rgb) and np.array_equal(one.alpha, other.alpha)


def test_versions_are_made_from_the_file_and_what_changed(document, photograph):
    first, one = fill(document, ORIGINAL, 5, 5, 20, 15)
    second, two = fill(document, first.number, 15, 10, 30, 30)
    other, three = fill(document, first.number, 2, 2, 9, 9)
    for version, picture in ((first, one), (second, two), (other, three)):
        for _ in range(2):
            document.release()
            assert same(document.picture(version.number), picture)
    assert same(document.picture(ORIGINAL), read_picture(photograph))
    assert document.mask(second).sum() == 15 * 20


def test_an_unknown_version_is_told(document):
    with pytest.raises(GoneError, match="version 7"):
        document.picture(7)


def test_a_file_that_has_changed_is_not_mixed_with_versions_of_the_old_one(document, photograph):
    version, _ = fill(document, ORIGINAL, 5, 5, 20, 15)
    document.release()
    Image.new("RGBA", (WIDTH, HEIGHT)).save(photograph)
    with pytest.raises(UserError, match="has changed on disk"):
        document.picture(version.number)


def test_a_file_that_is_replaced_by_a_version_stays_open(document, photograph):
    version, filled = fill(document, ORIGINAL, 5, 5, 20, 15)
    before = read_picture(photograph)
    document.detach()
    photograph.unlink()
    document.release()
    assert same(document.picture(version.number), filled)
    assert same(document.picture(ORIGINAL), before)


def test_the_least_recently_used_are_forgotten(documents, photograph, monkeypatch):
    monkeypatch.setattr(documents_module, "MOST_DOCUMENTS", 2)
    folder = Folder(photograph)
    first, second = (documents.open_listed(folder, "photo.png") for _ in range(2))
    documents.get(first.key)
    third = documents.open_listed(folder, "photo.png")
    assert documents.get(first.key) is first
    assert documents.get(third.key) is third
    with pytest.raises(GoneError):
        documents.get(second.key)
    assert not (documents.folder / second.key).exists()


def test_pixels_are_released_above_the_limit(documents, photograph, monkeypatch):
    monkeypatch.setattr(documents_module, "MOST_PIXELS", 2 * HEIGHT * WIDTH)
    opened = [documents.open_listed(Folder(photograph), "photo.png") for _ in range(4)]
    assert [each.pixels for each in opened] == [0, 0, HEIGHT * WIDTH, HEIGHT * WIDTH]
    assert opened[0].picture(ORIGINAL).rgb.shape == (HEIGHT, WIDTH, 3)


def test_a_broken_file_leaves_nothing_behind(documents, photograph):
    photograph.write_bytes(b"no picture")
    with pytest.raises(UserError, match="not a readable"):
        documents.open_listed(Folder(photograph), "photo.png")
    assert list(documents.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.PNG", ".png"), ("a.p\0g", ""), ("a", ""), ("x.exe", "")]
)
def test_a_sent_file_has_a_name_of_ours(documents, name, suffix):
    file = documents.place(name)
    assert file.name == f"original{suffix}"
    documents.discard(file)
    assert list(documents.folder.iterdir()) == []


def test_a_page_shows_24_megapixels_reduced():
    factor = factor_of(6000, 4000)
    assert factor == 4
    assert factor_of(1920, 1080) == 1
    assert (6000 // factor) * (4000 // factor) <= reduction.SHOWN


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_part_is_reduced_as_the_whole(factor):
    pixels = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
    whole = reduced(pixels, factor)
    box = Box(13, 7, 41, 50).reduced(factor)
    part = reduced(pixels[box.enlarged(factor, 70, 50).slices], factor)
    np.testing.assert_array_equal(whole[box.slices], part)


@pytest.mark.parametrize("factor", [1, 3])
def test_what_is_painted_is_covered(factor):
    mask = np.zeros((50, 70), np.uint8)
    mask[49, 69] = mask[10:13, 20:23] = 1
    full = enlarged(covered(mask, factor), factor, 70, 50)
    assert full.shape == mask.shape
    assert (full >= mask).all()
    assert bounding_box(mask) == Box(20, 10, 70, 50)
