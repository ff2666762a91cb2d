"""Photographs are read as the paper does, fingerprinted, and kept in memory up to a limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaint_tf.data import CachedPhotos, PhotoSet, photo_set
from inpaint_tf.data.photo_set import CONTENT_BYTES, list_keys
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import ImageError


@pytest.fixture
def photos(tmp_path: Path) -> PhotoSet:
    ramp = np.linspace(0, 255, 48, dtype=np.uint8)
    wide = np.stack([np.tile(ramp, (24, 1))] * 3, axis=-1)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(255 - wide).save(tmp_path / "other.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return PhotoSet("folder", tmp_path, ("broken.jpg", "wide.png"), ("other.png",))


class CountingPhotos(PhotoSet):
    """Counts how often each photograph is read."""

    reads: list[str] = []

    def load(self, key: str, size: int) -> np.ndarray:
        self.reads.append(key)
        return np.full((size, size, 3), int(key), np.uint8)


@pytest.fixture
def counting() -> CountingPhotos:
    CountingPhotos.reads.clear()
    return CountingPhotos("folder", None, ("0", "1", "2"), ("3",))


def test_the_whole_picture_is_squeezed_into_the_square(photos: PhotoSet) -> None:
    square = photos.load("wide.png", 16)
    assert square.shape == (16, 16, 3)
    assert square.dtype == np.uint8
    # 48 grey steps of 255 / 47 become 16 columns; the inner ones are centred on the middle one of
    # their three, so a crop in place of a squeeze would show.
    expected = (3 * np.arange(16) + 1) * 255 / 47
    np.testing.assert_allclose(square[0, 1:-1, 0], expected[1:-1], atol=1)


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    photos = PhotoSet("folder", tmp_path, ("stripes.png",), ("stripes.png",))
    np.testing.assert_allclose(photos.load("stripes.png", 8)[:, 1:-1], 127.5, atol=3)


def test_load_full_keeps_the_pixels(photos: PhotoSet) -> None:
    full = photos.load_full("wide.png")
    assert full.shape == (24, 48, 3)
    assert full[0, 0, 0] == 0
    assert full[0, -1, 0] == 255


def test_fingerprint_is_independent_of_order_and_place(photos: PhotoSet, tmp_path: Path) -> None:
    reordered = PhotoSet("folder", photos.root, photos.train[::-1], photos.test)
    assert reordered.fingerprint() == photos.fingerprint()
    moved = tmp_path / "moved"
    moved.mkdir()
    for key in photos.train + photos.test:
        (moved / key).write_bytes(photos.path(key).read_bytes())
    elsewhere = PhotoSet("folder", moved, photos.train, photos.test)
    assert elsewhere.fingerprint() == photos.fingerprint()


def test_fingerprint_tells_split_size_and_keys_apart(photos: PhotoSet) -> None:
    before = photos.fingerprint()
    swapped = PhotoSet("folder", photos.root, ("broken.jpg", "other.png"), ("wide.png",))
    fewer = PhotoSet("folder", photos.root, ("wide.png",), photos.test)
    photos.path("broken.jpg").write_bytes(b"no picture at all")
    assert len({before, swapped.fingerprint(), fewer.fingerprint(), photos.fingerprint()}) == 4


def test_content_is_independent_of_order_and_place(photos: PhotoSet, tmp_path: Path) -> None:
    reordered = PhotoSet("folder", photos.root, photos.train[::-1], photos.test)
    assert reordered.content() == photos.content()
    for key in photos.train + photos.test:
        (tmp_path / key).write_bytes(photos.path(key).read_bytes())
    assert PhotoSet("folder", tmp_path, photos.train, photos.test).content() == photos.content()


@pytest.mark.parametrize("size", [1, 1000, CONTENT_BYTES - 1, CONTENT_BYTES, CONTENT_BYTES + 1])
def test_content_tells_apart_what_names_and_sizes_do_not(photos: PhotoSet, size: int) -> None:
    path = photos.path("broken.jpg")
    found = set()
    for place in (0, size // 3, size - 1):
        data = bytearray(size)
        data[place] = 1
        path.write_bytes(data)
        found.add((photos.fingerprint(), photos.content()))
    assert len(found) == min(size, 3)
    assert len({fingerprint for fingerprint, _ in found}) == 1
    path.unlink()
    assert photos.content() not in {content for _, content in found}


def test_content_of_many_and_of_large_files_is_sampled(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photos.path("broken.jpg")
    path.write_bytes(bytes(3 * CONTENT_BYTES))
    before = photos.content()
    path.write_bytes(bytes(CONTENT_BYTES) + b"x" * CONTENT_BYTES + bytes(CONTENT_BYTES))
    assert photos.content() == before
    monkeypatch.setattr(photo_set, "CONTENT_FILES", 1)
    # The first by name is read, and no other.
    few = photos.content()
    photos.path("wide.png").write_bytes(b"")
    assert photos.content() == few
    path.write_bytes(b"")
    assert photos.content() != few


def test_a_subset_is_all_the_same_but_for_its_train_photographs(photos: PhotoSet) -> None:
    subset = photos.subset(1)
    assert len(subset.train) == 1
    assert set(subset.train) < set(photos.train)
    assert (subset.name, subset.root, subset.test) == (photos.name, photos.root, photos.test)
    assert subset.fingerprint() != photos.fingerprint()
    assert photos.subset(99) == photos


def test_a_subset_of_nothing_is_refused(photos: PhotoSet) -> None:
    for count in (0, -3):
        with pytest.raises(UserError, match=f"at least 1 photograph. Received: {count}"):
            photos.subset(count)


def test_keys_are_listed_without_hidden_ones(tmp_path: Path) -> None:
    for key in ("b.JPEG", "a/c.webp", "a/.d.jpg", ".e/f.jpg", "a/g.txt", "h.png/i.bmp"):
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).touch()
    assert list_keys(tmp_path) == ("a/c.webp", "b.JPEG", "h.png/i.bmp")
    assert list_keys(tmp_path, "a") == ("a/c.webp",)


def test_keys_of_linked_folders_and_what_is_left_out(tmp_path: Path) -> None:
    for key in ("photos/train/a.jpg", "photos/train/b.heic", "photos/c.gif", "more/d.tif"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
    (tmp_path / "photos/train/more").symlink_to(tmp_path / "more")
    told: list[str] = []
    keys = list_keys(tmp_path / "photos", "train", told.append)
    assert keys == ("train/a.jpg", "train/more/d.tif")
    (line,) = told
    assert line.startswith(f"{tmp_path / 'photos' / 'train'}: left out 1 .heic file; read are ")


@pytest.mark.usefixtures("locked_folder")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(PermissionError, match="locked"):
        list_keys(tmp_path)


def test_kept_photographs_are_read_once(counting: CountingPhotos) -> None:
    cached = CachedPhotos(counting, 4)
    for _ in range(3):
        for key in counting.train:
            assert cached.load(key)[0, 0, 0] == int(key)
    assert counting.reads == ["0", "1", "2"]


def test_beyond_the_limit_photographs_are_read_each_time(counting: CountingPhotos) -> None:
    cached = CachedPhotos(counting, 4, limit_bytes=2 * 4 * 4 * 3)
    for _ in range(3):
        for key in counting.train:
            assert cached.load(key)[0, 0, 0] == int(key)
    assert counting.reads == ["0", "1", "2", "2", "2"]


def test_threads_share_a_cache_within_its_limit(counting: CountingPhotos) -> None:
    cached = CachedPhotos(counting, 4, limit_bytes=2 * 4 * 4 * 3)
    keys = list(counting.train) * 200
    with ThreadPoolExecutor(8) as pool:
        values = [int(photo[0, 0, 0]) for photo in pool.map(cached.load, keys)]
    assert values == [int(key) for key in keys]
    assert len(cached._kept) == 2


def test_a_kept_photograph_cannot_be_changed(photos: PhotoSet) -> None:
    with pytest.raises(ValueError, match="read-only"):
        CachedPhotos(photos, 8).load("wide.png")[0] = 0


def test_a_broken_file_is_named(photos: PhotoSet) -> None:
    with pytest.raises(ImageError, match="broken.jpg"):
        photos.load("broken.jpg", 8)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 train and 0 test images: too few"):
        PhotoSet("folder", tmp_path, ("a.jpg",), ())
