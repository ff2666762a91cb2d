"""Pictures in and out: what a person sees, refusals before pixels, no half-written file."""

from __future__ import annotations

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mask_table import BOX, MASKS, NOTHING, MaskFile
from PIL import Image

from neuralgym_lite import images
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import (
    SUFFIXES,
    ImageError,
    Picture,
    read_levels,
    read_mask,
    read_picture,
    read_rgb,
    to_uint8,
)

# What is transparent is known, whichever pixels are missing.
INVERTED = {
    file.name: BOX if file.name.startswith("black") else NOTHING
    for file in MASKS
    if "transparent" in file.name
}
needs_avif = pytest.mark.skipif(".avif" not in SUFFIXES, reason="Pillow was built without AVIF")
RED, BLUE = (250, 10, 20), (10, 20, 240)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def png(width: int, height: int, bits: int, colour: int, row: bytes, *chunks: bytes) -> bytes:
    """Build a PNG by hand, for the kinds that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(row)))
    return b"".join((b"\x89PNG\r\n\x1a\n", *parts, chunk(b"IEND", b"")))


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def read_bytes(folder: Path, data: bytes, name: str = "picture.png") -> Picture:
    path = folder / name
    path.write_bytes(data)
    return read_picture(path)


# What a person sees


@pytest.mark.parametrize("format", ["PNG", "BMP", "WEBP", "TIFF"])
def test_lossless_formats_decode_exactly(tmp_path: Path, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    rgb = noise(9, 13)
    picture = read_bytes(tmp_path, encoded(Image.fromarray(rgb), format=format, **options))
    np.testing.assert_array_equal(picture.rgb, rgb)
    assert (picture.alpha, picture.grey, picture.format) == (None, False, format)
    assert picture.rgb.flags.writeable


def test_the_content_tells_the_format_not_the_name(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (8, 8), RED), format="PNG")
    assert read_bytes(tmp_path, data, "really-a-png.jpg").format == "PNG"


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    data = png(4, 1, 16, 0, b"\0" + struct.pack(">HHHH", 0, 257 * 7, 32768, 65535))
    picture = read_bytes(tmp_path, data)
    assert picture.rgb[0, :, 1].tolist() == [0, 7, 128, 255]
    assert picture.grey


def test_16_bit_grey_keeps_its_transparent_level(tmp_path: Path) -> None:
    key = chunk(b"tRNS", struct.pack(">H", 32768))
    picture = read_bytes(tmp_path, png(2, 1, 16, 0, b"\0" + struct.pack(">HH", 32768, 9), key))
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 255]]


def test_16_bit_rgb_is_scaled(tmp_path: Path) -> None:
    picture = read_bytes(tmp_path, png(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 65535, 1799, 0)))
    assert picture.rgb.tolist() == [[[255, 7, 0]]]
    assert not picture.grey


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_modes_are_grey(tmp_path: Path, mode: str) -> None:
    picture = read_bytes(tmp_path, encoded(Image.new(mode, (5, 4), 255), format="PNG"))
    assert picture.grey
    assert picture.rgb.shape == (4, 5, 3)
    assert (picture.rgb == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_large_pictures_are_converted_in_strips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (23, 9, 4), np.uint8)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "a.png", **({"transparency": 5} if mode in ("P", "I;16") else {}))
    whole = read_picture(tmp_path / "a.png"), read_rgb(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    for pixels_in_a_strip in (1, 9, 50):
        monkeypatch.setattr(images, "_STRIP", pixels_in_a_strip)
        part = read_picture(tmp_path / "a.png")
        np.testing.assert_array_equal(part.rgb, whole[0].rgb)
        np.testing.assert_array_equal(part.alpha, whole[0].alpha)
        np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), whole[1])
        np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), mask)


def test_grey_with_alpha(tmp_path: Path) -> None:
    picture = read_bytes(tmp_path, encoded(Image.new("LA", (3, 2), (70, 9)), format="PNG"))
    assert picture.alpha is not None
    assert (picture.grey, picture.rgb[0, 0].tolist(), picture.alpha[0, 0]) == (True, [70] * 3, 9)


def test_colours_under_alpha_are_raw(tmp_path: Path) -> None:
    data = encoded(Image.new("RGBA", (3, 2), (*RED, 0)), format="PNG")
    picture = read_bytes(tmp_path, data)
    assert picture.alpha is not None
    assert picture.rgb[0, 0].tolist() == list(RED)
    assert not picture.alpha.any()


def test_palettes_become_colours_and_alpha(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    plain = read_bytes(tmp_path, encoded(image, format="PNG"))
    assert plain.rgb.tolist() == [[list(RED), list(BLUE)]]
    assert plain.alpha is None
    clear = read_bytes(tmp_path, encoded(image, format="PNG", transparency=bytes([0, 130])))
    assert clear.alpha is not None
    assert clear.alpha.tolist() == [[0, 130]]


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    data = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), format="JPEG")
    picture = read_bytes(tmp_path, data)
    np.testing.assert_allclose(picture.rgb[4, 4], (255, 0, 0), atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "I;16"])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_exif_orientation_is_applied(
    tmp_path: Path, format: str, mode: str, orientation: int
) -> None:
    # Where the stored corners (top left, top right) go when the picture stands upright.
    seen = {1: "tl tr", 2: "tr tl", 3: "br bl", 4: "bl br", 5: "tl bl", 6: "tr br", 7: "br tr"}
    corners = {"tl": (0, 0), "tr": (0, -1), "bl": (-1, 0), "br": (-1, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.zeros((2, 3), np.uint16)
    stored[0, 0], stored[0, 2] = 65535, 257 * 99
    image = Image.fromarray(stored)
    if mode == "RGB":
        image = Image.fromarray((stored // 257).astype(np.uint8)).convert("RGB")
    grey = read_bytes(tmp_path, encoded(image, format=format, exif=exif)).rgb[..., 0]
    first, second = seen.get(orientation, "bl tl").split()
    assert grey.shape == ((2, 3) if orientation < 5 else (3, 2))
    assert (grey[corners[first]], grey[corners[second]]) == (255, 99)


def test_damaged_exif_does_not_spoil_a_photograph(tmp_path: Path) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"
    data = encoded(Image.new("RGB", (4, 8), RED), format="JPEG", exif=exif)
    assert read_bytes(tmp_path, data).rgb.shape == (8, 4, 3)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format=format, save_all=True, append_images=frames[1:], **options)
    assert read_bytes(tmp_path, data).rgb[4, 4].tolist() == list(RED)


def test_a_phones_multi_picture_jpeg_is_a_jpeg(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    data = encoded(frames[0], format="MPO", save_all=True, append_images=frames[1:])
    picture = read_bytes(tmp_path, data)
    assert picture.format == "JPEG"
    np.testing.assert_allclose(picture.rgb[8, 8], RED, atol=4)


def test_read_rgb_lays_transparency_over_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [0, 100, 0, 128]]], np.uint8))
    image.save(tmp_path / "clear.png")
    expected = [[[255] * 3, [0] * 3, [127, 177, 127]]]
    assert read_rgb(tmp_path / "clear.png").tolist() == expected


@pytest.mark.parametrize("file", MASKS, ids=lambda file: file.name)
def test_what_the_files_of_masks_mark(tmp_path: Path, file: MaskFile) -> None:
    (tmp_path / "mask").write_bytes(file.make())
    mask = read_mask(tmp_path / "mask")
    np.testing.assert_array_equal(mask, file.expected)
    assert mask.dtype == np.uint8
    assert read_levels(tmp_path / "mask").max() == (255 if file.level == 1 else file.level)


@pytest.mark.parametrize("file", MASKS, ids=lambda file: file.name)
def test_an_inverted_mask_is_missing_where_it_is_dark(tmp_path: Path, file: MaskFile) -> None:
    (tmp_path / "mask").write_bytes(file.make())
    expected = INVERTED.get(file.name, 1 - file.expected)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask", invert=True), expected)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "YCbCr", "I;16", "I;16B"])
def test_tiffs_are_read_and_written_as_they_are(
    tmp_path: Path, mode: str, compression: str
) -> None:
    rgb = noise(9, 13)
    if mode.startswith("I;16"):
        image = Image.fromarray(rgb[..., 0].astype(">u2" if mode == "I;16B" else "<u2") * 257)
        expected = Image.fromarray(rgb[..., 0])
    else:
        image = expected = Image.fromarray(noise(9, 13)).convert(mode)
    data = encoded(image, format="TIFF", compression=compression)
    picture = read_bytes(tmp_path, data, "a.tif")
    near = {"atol": 3 * (mode == "YCbCr")}  # libtiff and Pillow round differently
    np.testing.assert_allclose(picture.rgb, np.asarray(expected.convert("RGB")), **near)
    assert picture.grey == (mode in ("1", "L", "LA", "I;16", "I;16B"))
    assert ("16 bits" in picture.lost) == mode.startswith("I;16")
    write_picture(tmp_path / "b.tif", picture)
    again = read_picture(tmp_path / "b.tif")
    np.testing.assert_array_equal(again.rgb, picture.rgb)
    np.testing.assert_array_equal(again.alpha, picture.alpha)
    with Image.open(tmp_path / "b.tif") as image:
        assert (image.format, image.info["compression"]) == ("TIFF", "tiff_adobe_deflate")


def test_a_16_bit_tiff_whose_white_is_zero(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 65535, 32767]], np.uint16))
    data = encoded(image, format="TIFF", tiffinfo={262: 0})
    assert read_bytes(tmp_path, data).rgb[0, :, 0].tolist() == [255, 0, 128]


@pytest.mark.parametrize(("mode", "kind"), [("F", "floating-point"), ("I", "32-bit integers")])
def test_tiffs_without_a_known_white_are_refused(tmp_path: Path, mode: str, kind: str) -> None:
    path = tmp_path / "a.tif"
    Image.new(mode, (4, 4), 1).save(path)
    assert kind in refused(path)


def test_of_a_tiff_the_first_page_is_read_and_the_rest_told(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    data = encoded(pages[0], format="TIFF", save_all=True, append_images=pages[1:])
    picture = read_bytes(tmp_path, data)
    assert picture.rgb[4, 4].tolist() == list(RED)
    assert picture.lost == "its first page alone is kept"


def test_a_large_tiff_is_read_whatever_pillows_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    data = encoded(Image.fromarray(noise(8, 8)), format="TIFF", compression="tiff_lzw")
    np.testing.assert_array_equal(read_bytes(tmp_path, data).rgb, noise(8, 8))


@needs_avif
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_avif_is_read_and_written(tmp_path: Path, mode: str) -> None:
    smooth = Image.fromarray(np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8))
    image = Image.merge("RGBA", [smooth, smooth.rotate(180), smooth, smooth]).convert(mode)
    picture = read_bytes(tmp_path, encoded(image, format="AVIF", quality=90), "a.avif")
    assert picture.format == "AVIF"
    np.testing.assert_allclose(picture.rgb, np.asarray(image.convert("RGB")), atol=12)
    assert (picture.alpha is not None) == (mode == "RGBA")
    write_picture(tmp_path / "b.avif", picture)
    again = read_picture(tmp_path / "b.avif")
    assert again.format == "AVIF"
    assert (again.alpha is not None) == (mode == "RGBA")
    assert np.abs(again.rgb.astype(int) - picture.rgb).mean() < 1.5


@needs_avif
def test_more_bits_of_an_avif_are_told(tmp_path: Path) -> None:
    data = bytearray(encoded(Image.fromarray(noise(16, 16)), format="AVIF"))
    assert read_bytes(tmp_path, bytes(data)).lost == ""
    data[data.index(b"av1C") + 6] |= 0x40
    depths = data.index(b"pixi") + 9
    data[depths : depths + 3] = b"\x0a" * 3
    assert "its 10 bits a channel become 8" in read_bytes(tmp_path, bytes(data)).lost


# Round trips


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    seed=st.integers(0, 99),
    alpha=st.booleans(),
    grey=st.booleans(),
    format=st.sampled_from(["PNG", "BMP", "WEBP", "TIFF"]),
)
def test_lossless_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    height: int,
    width: int,
    seed: int,
    alpha: bool,
    grey: bool,
    format: Any,
) -> None:
    path = tmp_path_factory.mktemp("round") / "trip"
    rgb = noise(height, width, seed)
    if grey:
        rgb = np.repeat(rgb[..., :1], 3, axis=-1)
    layer = noise(height, width, seed + 1)[..., 0] if alpha else None
    write_picture(path, Picture(rgb, layer, grey, format))
    again = read_picture(path)
    np.testing.assert_array_equal(again.rgb, rgb)
    assert again.format == format
    assert again.grey == (grey and format != "WEBP")
    if format == "BMP" or layer is None:
        assert again.alpha is None
    elif again.alpha is None:  # an opaque WebP says that it has no alpha
        assert (layer == 255).all()
    else:
        np.testing.assert_array_equal(again.alpha, layer)


@pytest.mark.parametrize(("grey", "layers"), [(True, 1), (False, 3)])
def test_jpeg_is_written_without_chroma_subsampling(
    tmp_path: Path, grey: bool, layers: int
) -> None:
    path = tmp_path / "photo.jpg"
    write_picture(path, Picture(noise(16, 16), noise(16, 16)[..., 0], grey, "JPEG"))
    with Image.open(path) as image:
        assert [component[1:3] for component in image.layer] == [(1, 1)] * layers
    assert read_picture(path).grey == grey


def test_the_colour_profile_stays(tmp_path: Path) -> None:
    profile = bytes(16) + b"RGB " + bytes(108)
    data = encoded(Image.new("RGB", (8, 8), RED), format="JPEG", icc_profile=profile)
    picture = read_bytes(tmp_path, data)
    write_picture(tmp_path / "again.jpg", picture)
    assert read_picture(tmp_path / "again.jpg").profile == profile
    cmyk = encoded(Image.new("CMYK", (8, 8)), format="JPEG", icc_profile=bytes(16) + b"CMYK")
    assert read_bytes(tmp_path, cmyk).profile is None


# Independence: of Pillow's global state, of other threads


def test_pillows_own_limit_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    data = encoded(Image.fromarray(noise(8, 8)), format="PNG")
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(read_bytes, tmp_path, data, f"{i}.png") for i in range(16)]
        assert {job.result().rgb.shape for job in jobs} == {(8, 8, 3)}
    assert Image.MAX_IMAGE_PIXELS == 10


# Refusals


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        read_picture(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(20000, 20000, 8, 2, bytes(9)))
    message = refused(path)
    assert "20000x20000" in message
    assert "64 megapixels" in message
    assert "`max_pixels`" in message


def test_the_limit_itself_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "even.png"
    Image.new("L", (20, 10)).save(path)
    assert read_picture(path, max_pixels=200).rgb.shape == (10, 20, 3)
    assert "20x10" in refused(path, max_pixels=199)


@pytest.mark.parametrize("size", [(2**20 + 1, 1), (1, 2**20 + 1)])
def test_a_side_that_nobody_has_is_refused_from_its_header(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "thread.png"
    path.write_bytes(png(*size, 8, 2, bytes(9)))
    message = refused(path)
    assert f"{size[0]}x{size[1]} pixels" in message
    assert str(2**20) in message


def test_a_jpeg_of_a_thousand_scans_is_refused(tmp_path: Path) -> None:
    """Each of the scans, of a few bytes, would be a pass over all pixels."""
    path = tmp_path / "scans.jpg"
    data = encoded(Image.new("L", (16, 16), 90), format="JPEG", progressive=True)[:-2]
    table = b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + b"\xe0"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x01\x00\x7f\xfe"
    path.write_bytes(data + table + scan * 50 + b"\xff\xd9")
    assert (read_picture(path).rgb == 90).all()
    path.write_bytes(data + table + scan * 1000 + b"\xff\xd9")
    assert "100 scans" in refused(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a file" in refused(tmp_path / "pipe.png")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 0.97])
def test_truncated_files_are_refused(tmp_path: Path, format: str, share: float) -> None:
    data = encoded(Image.fromarray(noise(64, 64)), format=format)
    path = tmp_path / "cut"
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


def test_a_text_named_jpg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fake.jpg"
    path.write_text("Dear reader,\nthis is no photograph.\n" * 40)
    assert "not a readable" in refused(path)


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "moving.png"
    Image.new("L", (8, 8)).save(path, format="GIF")
    assert "JPEG, PNG, BMP, WebP, TIFF" in refused(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.png")
    assert "cannot be read" in refused(tmp_path)


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    target = tmp_path / "no" / "such" / "folder.png"
    with pytest.raises(ImageError, match="cannot be written: No such file") as caught:
        write_picture(target, Picture(noise(4, 4)))
    assert str(target) in str(caught.value)


def test_to_uint8_rounds_and_clips() -> None:
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(levels.astype(np.float32) / 127.5 - 1), levels)
    np.testing.assert_array_equal(to_uint8(np.array([-2.0, -0.997, 2.0])), [0, 0, 255])
