"""Photographs on disk: what stays as it is, pairing, refusals, and failures that stay alone."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mask_table import MASKS, MaskFile
from PIL import Image

from inpaint_tf.inference import ClassicalInpainter, Inpainter
from inpaint_tf.inference import photographs as module
from inpaint_tf.inference.photographs import Job, Result, fill_photographs, plan_jobs
from neuralgym_lite.errors import UserError

HOLE = (slice(4, 9), slice(6, 12))


class Attentive(Inpainter):
    """Fills with black and looks one cell to the right."""

    name = "attentive"
    has_attention = True

    def _predict(self, images: np.ndarray, masks: np.ndarray, *_: Any) -> tuple[Any, Any]:
        cells = (-(-images.shape[1] // 8), -(-images.shape[2] // 8))
        return np.zeros_like(images), np.full((1, *cells, 2), (0, 1), np.int32)


def photo(mode: str = "RGB", size: tuple[int, int] = (20, 30)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 4), np.uint8)
    return Image.fromarray(pixels, "RGBA").convert(mode)


def write_mask(path: Path, size: tuple[int, int] = (20, 30), hole: Any = HOLE) -> Path:
    mask = np.zeros(size, np.uint8)
    if hole is not None:
        mask[hole] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return path


def run(
    inputs: list[Path], mask: Path, out: Path, maps: bool = False, **options: Any
) -> list[Result]:
    inpainter = Attentive() if maps else ClassicalInpainter("telea")
    return list(fill_photographs(inpainter, plan_jobs(inputs, mask, out, maps), **options))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


# What stays as it is


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_known_pixels_channels_and_format_stay(tmp_path: Path, mode: str) -> None:
    source = tmp_path / "photo.png"
    photo(mode).save(source)
    (result,) = run([source], write_mask(tmp_path / "mask.png"), tmp_path / "out")
    target = tmp_path / "out" / "photo.png"
    assert result == Result("photo.png", source, target, "filled", width=30, height=20)
    assert result.seconds > 0
    with Image.open(result.target) as image:
        assert (image.mode, image.format) == (mode, "PNG")
    before, after = pixels(source), pixels(result.target)
    known = np.ones((20, 30), bool)
    known[HOLE] = False
    np.testing.assert_array_equal(after[known], before[known])
    colours = slice(None) if mode in ("L", "RGB") else slice(None, -1)
    assert (after[HOLE][..., colours] != before[HOLE][..., colours]).any()
    if mode.endswith("A"):
        assert (after[HOLE][..., -1] == 255).all()


@pytest.mark.parametrize(
    ("name", "format"), [("a.jpg", "JPEG"), ("a.bmp", "BMP"), ("a.webp", "WEBP")]
)
def test_formats_stay(tmp_path: Path, name: str, format: str) -> None:
    photo().save(tmp_path / name)
    (result,) = run([tmp_path / name], write_mask(tmp_path / "mask.png"), tmp_path / "out")
    with Image.open(result.target) as image:
        assert image.format == format


def test_a_mask_belongs_to_the_upright_photograph(tmp_path: Path) -> None:
    source = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    photo().save(source, exif=exif)
    upright = np.rot90(pixels(source), -1)
    (result,) = run([source], write_mask(tmp_path / "mask.png", (30, 20)), tmp_path / "out")
    after = pixels(result.target)
    assert after.shape == (30, 20, 3)
    np.testing.assert_array_equal(after[9:], upright[9:])
    with Image.open(result.target) as image:
        assert image.getexif()[0x0112] == 1


def test_what_the_camera_said_stays_and_what_cannot_stay_is_told(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    photo().save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    photo().convert("CMYK").save(tmp_path / "b.jpg", exif=b"Exif\0\0garbage")
    mask = write_mask(tmp_path / "mask.png")
    first, second = run([tmp_path / "a.jpg", tmp_path / "b.jpg"], mask, tmp_path / "out")
    assert (first.status, first.message) == ("filled", "")
    with Image.open(first.target) as image:
        assert image.getexif()[0x010F] == "Maker"
        assert image.info["dpi"] == (300, 300)
    lost = "its CMYK becomes RGB, its EXIF is damaged and left out"
    assert (second.status, second.message) == ("filled", f"{second.source}: {lost}")


def test_a_tiff_is_filled_beside_its_known_pixels(tmp_path: Path) -> None:
    photo("RGBA").save(tmp_path / "a.tif", compression="tiff_lzw")
    (result,) = run([tmp_path / "a.tif"], write_mask(tmp_path / "mask.png"), tmp_path / "out")
    before, after = pixels(tmp_path / "a.tif"), pixels(result.target)
    changed = (before != after).any(axis=-1)
    assert changed[HOLE].any()
    changed[HOLE] = False
    assert not changed.any()


def test_what_a_folder_holds_beside_photographs_and_masks_is_told(tmp_path: Path) -> None:
    write_mask(tmp_path / "masks/a.png")
    (tmp_path / "photos").mkdir()
    photo().save(tmp_path / "photos/a.png")
    (tmp_path / "photos/b.heic").touch()
    (tmp_path / "masks/b.gif").touch()
    told: list[str] = []
    folders = tmp_path / "photos", tmp_path / "masks", tmp_path / "out"
    plan_jobs([folders[0]], *folders[1:], log=told.append)
    assert sorted(line.partition(";")[0] for line in told) == [
        f"{tmp_path / 'masks'}: left out 1 .gif file",
        f"{tmp_path / 'photos'}: left out 1 .heic file",
    ]


def test_what_is_lost_is_told(tmp_path: Path) -> None:
    grey = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    Image.fromarray(grey).save(tmp_path / "grey16.png")
    cv2.imwrite(str(tmp_path / "rgb16.png"), np.dstack([grey] * 3))
    frames = [photo(), photo().rotate(180)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    mask = write_mask(tmp_path / "mask.png")
    told = {
        "grey16.png": "its 16 bits a channel become 8",
        "rgb16.png": "its 16 bits a channel become 8",
        "moving.webp": "its first frame of 2 alone is kept",
    }
    for name, words in told.items():
        (result,) = run([tmp_path / name], mask, tmp_path / "out")
        assert (result.status, result.message) == ("filled", f"{tmp_path / name}: {words}")


def test_an_empty_mask_copies_the_file_and_says_so(tmp_path: Path) -> None:
    source = tmp_path / "photo.jpg"
    photo().save(source)
    mask = write_mask(tmp_path / "mask.png", hole=None)
    (result,) = run([source], mask, tmp_path / "out")
    assert result.status == "empty-mask"
    assert result.message == (
        f"{source}: its mask {mask} marks nothing as missing: its lightest pixel has level 0 of "
        "255, and only levels above 127 count (dark ones with `invert_mask`); copied"
    )
    assert result.target.read_bytes() == source.read_bytes()


def test_the_attention_map_has_the_size_of_the_photograph(tmp_path: Path) -> None:
    photo().save(tmp_path / "photo.jpg")
    run([tmp_path / "photo.jpg"], write_mask(tmp_path / "mask.png"), tmp_path / "out", maps=True)
    assert files(tmp_path / "out") == ["photo.attention.png", "photo.jpg"]
    colours = pixels(tmp_path / "out" / "photo.attention.png")
    assert colours.shape == (20, 30, 3)
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 1


# What is transparent


def cut_out(hidden: tuple[int, int, int]) -> np.ndarray:
    """Return something green on nothing, whose colors are said; the hole has a part in both."""
    image = np.full((20, 30, 4), (*hidden, 0), np.uint8)
    image[4:, :9] = image[9:] = (40, 200, 60, 255)
    return image


def filled_pixels(folder: Path, image: np.ndarray, **options: Any) -> np.ndarray:
    folder.mkdir()
    Image.fromarray(image).save(folder / "a.png")
    mask = write_mask(folder / "mask.png")
    (result,) = run([folder / "a.png"], mask, folder / "out", **options)
    assert (result.status, result.message) == ("filled", "")
    return pixels(result.target)


def test_a_hole_that_was_transparent_is_seen(tmp_path: Path) -> None:
    image = np.full((20, 30, 4), (40, 200, 60, 255), np.uint8)
    soft = (slice(3, 10), slice(5, 13))
    image[soft] = (0, 0, 0, 90)  # erased, with an edge that is wider than the mask
    image[HOLE] = 0
    filled = filled_pixels(tmp_path / "a", image)
    assert (filled[HOLE][..., 3] == 255).all()
    known = np.ones((20, 30), bool)
    known[HOLE] = False
    np.testing.assert_array_equal(filled[known], image[known])
    grown = filled_pixels(tmp_path / "b", image, grow=2)
    np.testing.assert_allclose(
        grown[soft].astype(int), np.full((7, 8, 4), (40, 200, 60, 255)), atol=3
    )


def test_no_color_that_cannot_be_seen_gets_into_a_hole(tmp_path: Path) -> None:
    results = []
    for name, hidden in (("a", (255, 0, 255)), ("b", (0, 0, 0))):
        image = cut_out(hidden)
        results.append(filled_pixels(tmp_path / name, image))
        known = np.ones((20, 30), bool)
        known[HOLE] = False
        np.testing.assert_array_equal(results[-1][known], image[known])
    np.testing.assert_array_equal(results[0][HOLE], results[1][HOLE])
    np.testing.assert_allclose(
        results[0][HOLE].astype(int), np.full((5, 6, 4), (40, 200, 60, 255)), atol=3
    )


def test_no_inpainter_sees_a_color_that_cannot_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.full((20, 300, 4), (255, 0, 255, 0), np.uint8)
    image[:, 150:] = (40, 200, 60, 255)
    Image.fromarray(image).save(tmp_path / "a.png")
    seen: list[np.ndarray] = []

    def predict(self: Inpainter, images: np.ndarray, *_: Any) -> tuple[np.ndarray, None]:
        seen.extend(images)
        return images, None

    monkeypatch.setattr(Attentive, "_predict", predict)
    for left, maps in ((0, False), (295, True)):  # where nothing is seen nearby, and something
        mask = write_mask(tmp_path / "mask.png", (20, 300), (slice(4, 9), slice(left, left + 5)))
        jobs = plan_jobs([tmp_path / "a.png"], mask, tmp_path / "out", maps)
        (result,) = fill_photographs(Attentive(), jobs)
        known = pixels(mask) == 0
        np.testing.assert_array_equal(pixels(result.target)[known], image[known])
        np.testing.assert_array_equal(np.unique(seen.pop()[known], axis=0), [(40, 200, 60)])


def test_where_nothing_is_seen_colors_are_what_they_are(tmp_path: Path) -> None:
    image = np.full((20, 30, 4), (40, 200, 60, 0), np.uint8)
    filled = filled_pixels(tmp_path / "a", image)
    np.testing.assert_allclose(filled[HOLE].astype(int), [[[40, 200, 60, 255]] * 6] * 5, atol=3)


# Masks


@pytest.mark.parametrize("file", MASKS, ids=lambda file: file.name)
def test_masks_of_all_kinds(tmp_path: Path, file: MaskFile) -> None:
    photo(size=file.expected.shape).save(tmp_path / "a.png")
    (tmp_path / "mask.png").write_bytes(file.make())
    jobs = plan_jobs([tmp_path / "a.png"], tmp_path / "mask.png", tmp_path / "out")
    (result,) = fill_photographs(Attentive(), jobs)
    black = (pixels(result.target) == 0).all(axis=-1)
    if file.expected.any():
        assert (result.status, result.message) == ("filled", "")
        np.testing.assert_array_equal(black, file.expected)
    else:
        assert result.status == "empty-mask"
        assert f"its lightest pixel has level {file.level} of 255" in result.message


def test_an_inverted_mask_is_missing_where_it_is_black(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    mask = np.full((20, 30), 255, np.uint8)
    mask[HOLE] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    jobs = plan_jobs([tmp_path / "a.png"], tmp_path / "mask.png", tmp_path / "out")
    (result,) = fill_photographs(Attentive(), jobs, invert_mask=True)
    np.testing.assert_array_equal((pixels(result.target) == 0).all(axis=-1), mask == 0)
    Image.fromarray(np.maximum(mask, 128)).save(tmp_path / "mask.png")
    (result,) = fill_photographs(Attentive(), jobs, invert_mask=True)
    assert result.message == (
        f"{tmp_path / 'a.png'}: its mask {tmp_path / 'mask.png'} marks nothing as missing: its "
        "darkest pixel has level 128 of 255, and with `invert_mask` only levels up to 127 count; "
        "copied"
    )


@pytest.mark.parametrize("method", ["ns", "telea"])
def test_a_mask_that_leaves_nothing_fails_alone(tmp_path: Path, method: str) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        photo().save(tmp_path / "photos" / name)
        write_mask(tmp_path / "masks" / name, hole=slice(None) if name == "b.png" else HOLE)
    jobs = plan_jobs([tmp_path / "photos"], tmp_path / "masks", tmp_path / "out")
    results = list(fill_photographs(ClassicalInpainter(method), jobs))
    assert [result.status for result in results] == ["filled", "failed", "filled"]
    source, mask = tmp_path / "photos" / "b.png", tmp_path / "masks" / "b.png"
    assert results[1].message == (
        f"{source}: with its mask {mask}, everything is missing, and '{method}' needs known "
        "pixels around a hole"
    )
    assert files(tmp_path / "out") == ["a.png", "c.png"]
    result = list(fill_photographs(ClassicalInpainter(method), jobs, grow=30))[0]
    assert result.message == (
        f"{tmp_path / 'photos/a.png'}: with its mask {tmp_path / 'masks/a.png'}, grown by 30 "
        f"pixels, everything is missing, and '{method}' needs known pixels around a hole"
    )


# Pairing

COMPOSED, DECOMPOSED = "\u00e9t\u00e9", "e\u0301te\u0301"


def paired(tmp_path: Path, photographs: list[str], masks: list[str]) -> dict[str, Any]:
    """Return the name of each photograph's mask, or why it has none."""
    for name in photographs:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        photo().save(tmp_path / "photos" / name)
    for name in masks:
        write_mask(tmp_path / "masks" / name)
    jobs = plan_jobs([tmp_path / "photos"], tmp_path / "masks", tmp_path / "out")
    results = fill_photographs(ClassicalInpainter("ns"), jobs)
    found = {}
    for job, result in zip(jobs, results, strict=True):
        name = job.source.relative_to(tmp_path / "photos").as_posix()
        if result.status == "filled":
            (mask,) = job.masks
            found[name] = mask.relative_to(tmp_path / "masks").as_posix()
        else:
            found[name] = result.message.removeprefix(f"{job.source}: ").replace(
                f"{tmp_path / 'masks'}{os.sep}", ""
            )
    return found


@pytest.mark.parametrize(
    ("photograph", "mask"),
    [
        (f"{DECOMPOSED}.jpg", f"{COMPOSED}.png"),
        (f"{COMPOSED}.jpg", f"{DECOMPOSED}.png"),
        (f"{DECOMPOSED}/deep/a.jpg", f"{COMPOSED}/deep/a.png"),
        ("IMG_1.JPG", "img_1.png"),
        ("img_1.jpg", "IMG_1.PNG"),
        ("Holidays/IMG_1.JPG", "holidays/img_1.png"),
        (f"{DECOMPOSED.upper()}.JPG", f"{COMPOSED}.png"),
        ("a.b.jpg", "A.B.png"),
    ],
)
def test_names_that_are_alike_are_paired(tmp_path: Path, photograph: str, mask: str) -> None:
    assert paired(tmp_path, [photograph], [mask]) == {photograph: mask}


def test_a_name_that_is_equal_comes_first(tmp_path: Path) -> None:
    names = ["a.png", "A.png", f"{COMPOSED}.png", f"{DECOMPOSED}.png", f"{COMPOSED.upper()}.png"]
    assert paired(tmp_path, names, names) == dict(zip(names, names, strict=True))


def test_a_composed_name_comes_before_the_case(tmp_path: Path) -> None:
    photograph, masks = f"{DECOMPOSED}.jpg", [f"{COMPOSED}.png", f"{COMPOSED.upper()}.png"]
    assert paired(tmp_path, [photograph], masks) == {photograph: masks[0]}


def test_names_that_two_could_have_are_refused(tmp_path: Path) -> None:
    assert paired(tmp_path, ["IMG.jpg", "b.jpg"], ["Img.png", "img.png", "b.png"]) == {
        "IMG.jpg": "needs one mask of its name, found Img.png and img.png",
        "b.jpg": "b.png",
    }


@pytest.mark.parametrize(
    ("one", "other", "mask"),
    [("IMG", "img", "Img"), ("IMG", "img", "img"), (DECOMPOSED, COMPOSED, COMPOSED)],
)
def test_a_mask_that_two_could_have_is_refused(
    tmp_path: Path, one: str, other: str, mask: str
) -> None:
    found = paired(tmp_path, [f"{one}.jpg", f"{other}.jpg"], [f"{mask}.png"])
    words = "needs a mask of its name, found {}.png, which may be for {} too"
    assert found[f"{one}.jpg"] == words.format(mask, other)
    assert found[f"{other}.jpg"] == (f"{mask}.png" if mask == other else words.format(mask, one))


def test_folders_keep_their_shape_and_masks_pair_by_relative_stem(tmp_path: Path) -> None:
    for name in ("a.png", "deep/a.jpg", "deep/er/b.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo().save(path)
        write_mask((tmp_path / "masks" / name).with_suffix(".bmp"))
    results = run([tmp_path / "photos"], tmp_path / "masks", tmp_path / "out")
    assert [result.status for result in results] == ["filled"] * 3
    assert files(tmp_path / "out") == ["a.png", "deep/a.jpg", "deep/er/b.png"]


def test_masks_and_earlier_results_below_the_folder_are_no_photographs(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    mask, out = write_mask(tmp_path / "masks" / "a.png"), tmp_path / "filled"
    for given in (mask.parent, mask):
        assert [result.target for result in run([tmp_path], given, out)] == [out / "a.png"]
    assert files(tmp_path) == ["a.png", "filled/a.png", "masks/a.png"]


def test_a_photograph_named_twice_is_filled_once(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo().save(folder / "a.png")
    inputs = [folder / "a.png", folder, folder / ".." / "photos" / "a.png"]
    assert len(run(inputs, write_mask(tmp_path / "mask.png"), tmp_path / "out")) == 1


# One bad file does not stop the rest, and leaves nothing behind


def test_failures_are_named_and_stay_alone(tmp_path: Path) -> None:
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir()
    for stem in ("badmask", "cut", "good", "nomask", "size", "small", "twice"):
        name = f"{stem}.png"
        photo(size=(6, 30) if name == "small.png" else (20, 30)).save(photos / name)
        write_mask(masks / name, (6, 30) if name == "small.png" else (20, 30))
    (photos / "fake.jpg").write_text("no photograph")
    write_mask(masks / "fake.png")
    (photos / "cut.png").write_bytes((photos / "cut.png").read_bytes()[:300])
    (masks / "nomask.png").unlink()
    (masks / "badmask.png").write_bytes(b"no mask")
    write_mask(masks / "size.png", (21, 30))
    write_mask(masks / "twice.bmp")

    results = {result.source.name: result for result in run([photos], masks, tmp_path / "out")}
    expected = {
        "badmask.png": f"has no mask that can be used: {masks / 'badmask.png'}: not a readable",
        "cut.png": "damaged picture",
        "fake.jpg": "not a readable",
        "nomask.png": "found none",
        "size.png": "30x20 pixels upright, but its mask",
        "small.png": "at least 8 pixels",
        "twice.png": "twice.bmp and",
    }
    assert {name for name, result in results.items() if result.status == "failed"} == set(expected)
    for name, words in expected.items():
        message = results[name].message
        assert words in message
        assert message.startswith(f"{photos / name}: ")
        assert "\n" not in message
    assert str(masks / "size.png") in results["size.png"].message
    assert "30x21" in results["size.png"].message
    assert files(tmp_path / "out") == ["good.png"]


@pytest.mark.parametrize("error", [cv2.error("no\nmemory"), MemoryError("no memory")])
def test_a_prediction_that_fails_stays_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        photo().save(tmp_path / "photos" / name)
    predict = ClassicalInpainter._predict

    def fail_once(self: Inpainter, *batch: np.ndarray) -> np.ndarray:
        monkeypatch.setattr(ClassicalInpainter, "_predict", predict)
        raise error

    monkeypatch.setattr(ClassicalInpainter, "_predict", fail_once)
    results = run([tmp_path / "photos"], write_mask(tmp_path / "mask.png"), tmp_path / "out")
    assert [result.status for result in results] == ["failed", "filled"]
    assert results[0].message == f"{tmp_path / 'photos/a.png'}: no memory"


def test_links_to_nothing_fail_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    photo().save(tmp_path / "photos" / "good.png")
    (tmp_path / "photos" / "dead.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "photos" / "loop.png").symlink_to("loop.png")
    results = run([tmp_path / "photos"], write_mask(tmp_path / "mask.png"), tmp_path / "out")
    assert [result.status for result in results] == ["failed", "filled", "failed"]


def test_the_pixel_limit_holds_for_photographs_and_masks(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    mask = write_mask(tmp_path / "mask.png", (40, 40))
    (result,) = run([tmp_path / "a.png"], mask, tmp_path / "out", max_pixels=599)
    assert "a.png: 30x20 pixels are over the limit" in result.message
    (result,) = run([tmp_path / "a.png"], mask, tmp_path / "out", max_pixels=600)
    assert "mask.png: 40x40 pixels are over the limit" in result.message


# Reading, filling and writing at once


def planned(tmp_path: Path, count: int, **options: Any) -> list[Job]:
    """Plan some photographs of one folder with one mask."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(count):
        photo().save(folder / f"{index}.png")
    return plan_jobs([folder], write_mask(tmp_path / "mask.png"), tmp_path / "out", **options)


def test_one_is_filled_while_the_next_is_read_and_the_last_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = planned(tmp_path, 3)
    begun = {(step, f"{index}.png"): threading.Event() for step in "rw" for index in range(3)}

    def read(path: Path, max_pixels: int) -> Any:
        begun["r", path.name].set()
        return read_picture(path, max_pixels)

    def write(path: Path, picture: Any) -> str:
        begun["w", path.name].set()
        assert filling_the_second.wait(30)
        return write_picture(path, picture)

    class Waiting(Attentive):
        calls = 0

        def _predict(self, *given: Any) -> tuple[Any, Any]:
            self.calls += 1
            if self.calls == 1:
                assert begun["r", "1.png"].wait(30)
            if self.calls == 2:
                assert begun["w", "0.png"].wait(30)
                assert not (tmp_path / "out" / "0.png").exists()
                filling_the_second.set()
            return super()._predict(*given)

    filling_the_second = threading.Event()
    read_picture, write_picture = module.read_picture, module.write_picture
    monkeypatch.setattr(module, "read_picture", read)
    monkeypatch.setattr(module, "write_picture", write)
    results = list(fill_photographs(Waiting(), jobs))
    assert [result.status for result in results] == ["filled"] * 3


@pytest.mark.parametrize(("pixels", "ahead"), [(1, 2), (1300, 3), (10**6, 9)])
def test_a_result_comes_after_its_files_and_few_photographs_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int, ahead: int
) -> None:
    monkeypatch.setattr(module, "WAITING_PIXELS", pixels)  # each has 600
    jobs = planned(tmp_path, 16)
    names = [job.name for job in jobs]
    begun: list[Job] = []
    alive: list[weakref.ref[Any]] = []
    read_picture = module.read_picture

    def begin() -> Iterator[Job]:
        for job in jobs:
            begun.append(job)
            yield job

    def read(path: Path, max_pixels: int) -> Any:
        picture = read_picture(path, max_pixels)
        alive.append(weakref.ref(picture))
        return picture

    class Counting(Attentive):
        def _predict(self, *given: Any) -> tuple[Any, Any]:
            assert sum(picture() is not None for picture in alive) <= 2
            return super()._predict(*given)

    def write(path: Path, picture: Any) -> str:
        enough = min(names.index(path.name) + ahead + 1, len(names))
        until = time.monotonic() + 30
        while len(begun) < enough:
            assert time.monotonic() < until
            time.sleep(0.001)
        return write_picture(path, picture)

    write_picture = module.write_picture
    monkeypatch.setattr(module, "write_picture", write)
    monkeypatch.setattr(module, "read_picture", read)
    results = fill_photographs(Counting(), begin())
    furthest = 0
    for index, result in enumerate(results):
        assert result.name == names[index]
        assert result.target.is_file()
        furthest = max(furthest, len(begun) - 1 - index)
    # One is read; the others wait to be written.
    assert furthest == ahead
    assert len(alive) == 16


def test_a_photograph_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png", "c/3.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True)
        photo().save(tmp_path / "photos" / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").touch()
    results = run([tmp_path / "photos"], write_mask(tmp_path / "mask.png"), tmp_path / "out")
    assert [result.status for result in results] == ["filled", "failed", "filled"]
    assert results[1].message == f"{tmp_path / 'photos/b/2.png'}: File exists"
    assert (results[1].width, results[1].height) == (30, 20)


@pytest.mark.parametrize("step", ["read_picture", "write_picture"])
def test_a_mistake_of_a_thread_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    jobs = planned(tmp_path, 3)
    real = getattr(module, step)

    def mistaken(path: Path, other: Any) -> Any:
        if path.name == "1.png":
            raise TypeError("a mistake")
        return real(path, other)

    monkeypatch.setattr(module, step, mistaken)
    names = []
    with pytest.raises(TypeError, match="a mistake"):
        for result in fill_photographs(Attentive(), jobs):
            names.append(result.name)
    assert names in ([], ["0.png"])
    assert set(files(tmp_path / "out")) <= {"0.png", "2.png"}


def test_who_stops_early_waits_for_whole_files(tmp_path: Path) -> None:
    threads = threading.active_count()
    results = fill_photographs(Attentive(), planned(tmp_path, 5))
    assert next(results).name == "0.png"
    results.close()
    assert threading.active_count() == threads
    found = files(tmp_path / "out")
    assert found == [f"{index}.png" for index in range(len(found))]
    for name in found:
        assert (pixels(tmp_path / "out" / name)[HOLE] == 0).all()


# Going on


def test_what_exists_is_skipped_however_old_it_is(tmp_path: Path) -> None:
    jobs = planned(tmp_path, 3)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.png").write_text("from before")
    os.utime(tmp_path / "out" / "1.png", (0, 0))
    for first, others in (("filled", "filled"), ("skipped", "skipped")):
        results = list(fill_photographs(Attentive(), jobs, skip_existing=True))
        assert [result.status for result in results] == [first, "skipped", others]
        assert results[1].message == ""
        assert results[1].width is None
    assert (tmp_path / "out" / "1.png").read_text() == "from before"
    results = list(fill_photographs(Attentive(), jobs))
    assert [result.status for result in results] == ["filled"] * 3


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    jobs = planned(tmp_path, 2)
    whole = jobs[0].source.read_bytes()
    jobs[0].source.write_bytes(whole[:200])
    for content, expected in ((whole, ["failed", "filled"]), (whole, ["filled", "skipped"])):
        results = fill_photographs(Attentive(), jobs, skip_existing=True)
        assert [result.status for result in results] == expected
        jobs[0].source.write_bytes(content)


def test_without_its_attention_map_a_photograph_is_not_done(tmp_path: Path) -> None:
    jobs = planned(tmp_path, 2, attention_maps=True)
    list(fill_photographs(Attentive(), jobs))
    (tmp_path / "out" / "0.attention.png").unlink()
    results = fill_photographs(Attentive(), jobs, skip_existing=True)
    assert [result.status for result in results] == ["filled", "skipped"]
    assert (tmp_path / "out" / "0.attention.png").is_file()


# Parts of a plan


def names_of(tmp_path: Path, folder: Path, index: int, count: int) -> list[str]:
    jobs = plan_jobs([folder], tmp_path / "mask.png", tmp_path / "out", shard=(index, count))
    return [job.name for job in jobs]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_photograph_is_in_one_part(tmp_path: Path, count: int) -> None:
    whole = [job.name for job in planned(tmp_path, 20)]
    parts = [names_of(tmp_path, tmp_path / "photos", index, count) for index in range(1, count + 1)]
    assert sorted(name for part in parts for name in part) == sorted(whole)
    for part in parts:
        assert part == sorted(part)
        assert count > 3 or len(part) > 3


def test_the_part_of_a_photograph_depends_on_its_name_alone(tmp_path: Path) -> None:
    planned(tmp_path, 20)
    # Those whose SHA-256, of which the first 8 bytes count, can be divided by 3.
    expected = ["11.png", "14.png", "3.png", "9.png"]
    assert names_of(tmp_path, tmp_path / "photos", 1, 3) == expected
    for index in range(20, 30):
        photo().save(tmp_path / "photos" / f"{index}.png")
    found = names_of(tmp_path, tmp_path / "photos", 1, 3)
    assert [name for name in found if int(Path(name).stem) < 20] == expected


def test_both_spellings_of_a_name_are_in_one_part(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png")
    found = []
    for name in (COMPOSED, DECOMPOSED):
        (tmp_path / name).mkdir()
        photo().save(tmp_path / name / f"{name}.png")
        found.append([len(names_of(tmp_path, tmp_path / name, i, 5)) for i in range(1, 6)])
    assert found[0] == found[1]
    assert sum(found[0]) == 1


def test_every_part_refuses_what_the_whole_refuses(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        photo().save(tmp_path / folder / "a.png")
    inputs, mask = [tmp_path / "one", tmp_path / "two"], write_mask(tmp_path / "mask.png")
    for index in range(1, 5):
        with pytest.raises(UserError, match="would be written for both"):
            plan_jobs(inputs, mask, tmp_path / "out", shard=(index, 4))


@pytest.mark.parametrize("shard", [(0, 4), (5, 4), (1, 0), (-1, 4)])
def test_there_is_no_such_part(tmp_path: Path, shard: tuple[int, int]) -> None:
    planned(tmp_path, 1)
    with pytest.raises(UserError, match=f"Received: {shard[0]}/{shard[1]}"):
        plan_jobs([tmp_path / "photos"], tmp_path / "mask.png", tmp_path / "out", shard=shard)


# Refused before anything is written


def refused(inputs: list[Path], mask: Path, out: Path, maps: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        plan_jobs(inputs, mask, out, maps)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_and_empty_places(tmp_path: Path) -> None:
    source, mask = tmp_path / "a.png", write_mask(tmp_path / "mask.png")
    photo().save(source)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").touch()
    out = tmp_path / "out"
    assert "none.png: no such file or folder" in refused([tmp_path / "none.png"], mask, out)
    assert "empty: no picture in it" in refused([tmp_path / "empty"], mask, out)
    assert "none: no such mask" in refused([source], tmp_path / "none", out)
    assert "empty: no picture in it" in refused([source], tmp_path / "empty", out)
    assert "is a file" in refused([source], mask, tmp_path / "a-file")
    assert "result.png: `out` names a folder" in refused([source], mask, tmp_path / "result.png")
    write_mask(tmp_path / "masks" / "other.png")
    assert "that of a.png would be a.png" in refused([source], tmp_path / "masks", out)
    assert "beside the masks" in refused([mask.parent / "masks"], tmp_path / "masks", tmp_path)


@pytest.mark.parametrize("given", ["photos", "photos/a.png"])
def test_inputs_are_never_written_over(tmp_path: Path, given: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    photo().save(photos / "a.png")
    mask = write_mask(tmp_path / "mask.png")
    message = refused([tmp_path / given], mask, photos)
    assert f"written over the input {photos / 'a.png'}" in message
    (tmp_path / "link").symlink_to(photos, target_is_directory=True)
    assert "written over the input" in refused([tmp_path / given], mask, tmp_path / "link")


def test_what_a_link_among_the_inputs_leads_to_is_never_written_over(tmp_path: Path) -> None:
    for folder in ("store", "photos"):
        (tmp_path / folder).mkdir()
    photo().save(tmp_path / "store" / "a.png")
    (tmp_path / "photos" / "a.png").symlink_to(tmp_path / "store" / "a.png")
    mask = write_mask(tmp_path / "mask.png")
    message = refused([tmp_path / "photos"], mask, tmp_path / "store")
    assert f"written over the input {tmp_path / 'photos/a.png'}" in message


def test_two_links_to_one_photograph_are_both_filled(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    (tmp_path / "photos").mkdir()
    for name in ("b.png", "c.png"):
        (tmp_path / "photos" / name).symlink_to(tmp_path / "a.png")
    run([tmp_path / "photos"], write_mask(tmp_path / "mask.png"), tmp_path / "out")
    assert files(tmp_path / "out") == ["b.png", "c.png"]


def test_masks_are_never_written_over(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    mask = write_mask(tmp_path / "masks" / "a.png")
    assert f"the input {mask}" in refused([tmp_path / "a.png"], mask.parent, mask.parent)
    assert f"the input {mask}" in refused([tmp_path / "a.png"], mask, mask.parent)


def test_two_photographs_for_one_target_are_both_named(tmp_path: Path) -> None:
    sources = [tmp_path / "one" / "a.png", tmp_path / "two" / "a.png"]
    for source in sources:
        source.parent.mkdir()
        photo().save(source)
    message = refused(sources, write_mask(tmp_path / "mask.png"), tmp_path / "out")
    assert all(str(source) in message for source in sources)


def test_two_photographs_for_one_attention_map_are_both_named(tmp_path: Path) -> None:
    sources = [tmp_path / "a.png", tmp_path / "a.jpg"]
    for source in sources:
        photo().save(source)
    mask = write_mask(tmp_path / "mask.png")
    assert len(plan_jobs(sources, mask, tmp_path / "out")) == 2
    message = refused(sources, mask, tmp_path / "out", maps=True)
    assert all(str(source) in message for source in sources)
