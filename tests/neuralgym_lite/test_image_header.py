"""What a file says beside its pixels stays; what would keep Pillow busy for minutes is refused."""

from __future__ import annotations

import gc
import io
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import SUFFIXES, ImageError, Picture, read_picture

XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6" dc:creator="me"/></x:xmpmeta>'
THUMBNAIL = b"\xff\xd8\xff-a-small-picture-of-what-was-there"
EXIF, GPS = 0x8769, 0x8825
KEEPS_EXIF = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]
needs_avif = pytest.mark.skipif(".avif" not in SUFFIXES, reason="Pillow was built without AVIF")
FORMATS = [pytest.param(name, marks=[needs_avif] * (name == "AVIF")) for name in KEEPS_EXIF]


def encoded(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def noise(height: int = 16, width: int = 24) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def camera_exif(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x0132] = "Maker", orientation, "2020:01:01 00:00:00"
    details, place = exif.get_ifd(EXIF), exif.get_ifd(GPS)
    details[0x9003], details[0xA002], details[0xA003] = "2020:02:02 00:00:00", 24, 16
    place[1], place[2] = "N", (50.0, 1.0, 2.0)
    return exif


def again(folder: Path, data: bytes) -> tuple[Path, str]:
    """Read a file and write it; return where, and what was told."""
    (folder / "before").write_bytes(data)
    picture = read_picture(folder / "before")
    told = write_picture(folder / "after", picture)
    return folder / "after", ", ".join(filter(None, (picture.lost, told)))


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def chunks_of(path: Path) -> list[tuple[bytes, bytes]]:
    data, found, place = path.read_bytes(), [], 8
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += size + 12
    return found


# What stays


@pytest.mark.parametrize("format", FORMATS)
def test_exif_stays_and_says_upright(tmp_path: Path, format: str) -> None:
    after, told = again(tmp_path, encoded(noise(), format=format, exif=camera_exif().tobytes()))
    assert told == ""
    with Image.open(after) as image:
        exif = image.getexif()
        details, place = exif.get_ifd(EXIF), exif.get_ifd(GPS)
        assert (exif[0x010F], exif[0x0132]) == ("Maker", "2020:01:01 00:00:00")
        assert exif.get(0x0112, 1) == 1
        assert details[0x9003] == "2020:02:02 00:00:00"
        assert (details[0xA002], details[0xA003]) == image.size == (16, 24)
        assert (place[1], place[2]) == ("N", (50.0, 1.0, 2.0))
    np.testing.assert_array_equal(
        read_picture(after).rgb.shape, read_picture(tmp_path / "before").rgb.shape
    )


@pytest.mark.parametrize("format", FORMATS)
def test_xmp_stays_and_says_upright(tmp_path: Path, format: str) -> None:
    options: dict[str, Any] = {"xmp": XMP}
    if format == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP)
    if format == "TIFF":
        options = {"exif": Image.Exif()}
        options["exif"][700] = XMP
    after, told = again(tmp_path, encoded(noise(), format=format, **options))
    assert told == ""
    assert read_picture(after).rgb.shape == (24, 16, 3)
    with Image.open(after) as image:
        xmp = image.info["xmp"]
    assert b'dc:creator="me"' in xmp
    assert b"6" not in xmp


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF"])
def test_resolution_stays(tmp_path: Path, format: str) -> None:
    after, _ = again(tmp_path, encoded(noise(), format=format, dpi=(300, 150)))
    with Image.open(after) as image:
        np.testing.assert_allclose([float(x) for x in image.info["dpi"]], (300, 150), atol=0.02)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_no_resolution_is_made_up(tmp_path: Path, format: str) -> None:
    after, _ = again(tmp_path, encoded(noise(), format=format))
    with Image.open(after) as image:
        assert image.info.get("jfif_unit", 0) == 0
        assert "dpi" not in image.info or 282 not in image.getexif()


def test_color_chunks_and_texts_of_a_png_stay_to_the_byte(tmp_path: Path) -> None:
    wanted = [
        (b"gAMA", struct.pack(">I", 45454)),
        (b"cHRM", struct.pack(">8I", *range(31270, 31278))),
        (b"cICP", bytes([12, 13, 0, 1])),
        (b"tEXt", b"Title\0H\xe4llo"),
        (b"zTXt", b"Long\0\0" + zlib.compress(b"x" * 1000)),
        (b"iTXt", b"Author\0\0\0de\0Autor\0" + "Ä".encode()),
    ]
    late = (b"tEXt", b"Late\0behind the pixels")
    data = encoded(noise(), format="PNG")
    data = data[:33] + b"".join(chunk(*each) for each in wanted) + data[33:-12]
    after, told = again(tmp_path, data + chunk(*late) + chunk(b"IEND", b""))
    assert told == ""
    found = chunks_of(after)
    kinds = [kind for kind, _ in found]
    assert [each for each in found if each in [*wanted, late]] == [*wanted, late]
    assert kinds.index(b"IDAT") > max(kinds.index(kind) for kind, _ in wanted)


def test_the_comment_of_a_jpeg_stays(tmp_path: Path) -> None:
    after, _ = again(tmp_path, encoded(noise(), format="JPEG", comment="by me"))
    with Image.open(after) as image:
        assert image.info["comment"] == b"by me"


def test_exif_that_imagemagick_wrote_as_text_is_applied_once(tmp_path: Path) -> None:
    raw = camera_exif().tobytes()
    text = f"\nexif\n{len(raw):8d}\n{raw.hex()}\n"
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", text)
    after, told = again(tmp_path, encoded(noise(), format="PNG", pnginfo=info))
    assert told == ""
    assert read_picture(after).rgb.shape == (24, 16, 3)
    with Image.open(after) as image:
        assert image.getexif()[0x010F] == "Maker"


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("space", [b"GRAY", b"RGB "])
def test_the_profile_of_a_grey_picture_stays(tmp_path: Path, format: str, space: bytes) -> None:
    profile = bytes(16) + space + bytes(108)
    data = encoded(noise().convert("L"), format=format, icc_profile=profile)
    after, _ = again(tmp_path, data)
    picture = read_picture(after)
    assert (picture.grey, picture.profile) == (True, profile)


# What must not stay, or cannot


def test_small_pictures_of_what_was_there_do_not_stay(tmp_path: Path) -> None:
    exif = camera_exif()
    exif.get_ifd(EXIF)[0x927C] = b"Maker's own: " + THUMBNAIL
    body = exif.tobytes()[6:]
    # Pillow writes no thumbnail: a second directory is put behind the first, and linked from there.
    order = "<" if body[:1] == b"I" else ">"
    (place,) = struct.unpack(order + "I", body[4:8])
    (count,) = struct.unpack(order + "H", body[place : place + 2])
    link = place + 2 + 12 * count
    tags = ((0x0201, len(body) + 30), (0x0202, len(THUMBNAIL)))
    second = struct.pack(order + "H", 2)
    second += b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags)
    second += bytes(4)
    body = body[:link] + struct.pack(order + "I", len(body)) + body[link + 4 :] + second + THUMBNAIL
    xmp = b"<xmpGImg:image>" + THUMBNAIL.hex().encode() + b"</xmpGImg:image>"
    data = encoded(noise(), format="JPEG", exif=b"Exif\0\0" + body, xmp=xmp)
    assert data.count(THUMBNAIL) == 2
    after, told = again(tmp_path, data)
    assert told == ""
    kept = after.read_bytes()
    assert THUMBNAIL not in kept
    assert THUMBNAIL.hex().encode() not in kept
    assert b"Maker" in kept


def test_what_a_format_cannot_hold_is_told(tmp_path: Path) -> None:
    extras = {"xmp": b"x" * 70_000, "comment": b"kept"}
    told = write_picture(
        tmp_path / "a.jpg", Picture(np.asarray(noise()), None, False, "JPEG", extras=extras)
    )
    assert told == "its XMP cannot be written and is left out"
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["comment"] == b"kept"
    exif = camera_exif()
    exif[0x010E] = "x" * 70_000
    extras = {"exif": exif.tobytes(), "dpi": (float("nan"), "?")}
    told = write_picture(
        tmp_path / "b.jpg", Picture(np.asarray(noise()), None, False, "JPEG", extras=extras)
    )
    assert "its EXIF cannot be written" in told
    assert "its resolution cannot be written" in told
    assert read_picture(tmp_path / "b.jpg").rgb.shape == (16, 24, 3)


def test_cmyk_is_told(tmp_path: Path) -> None:
    for format in ("JPEG", "TIFF"):
        _, told = again(tmp_path, encoded(noise().convert("CMYK"), format=format))
        assert told == "its CMYK becomes RGB"


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_is_told_and_the_picture_written(
    tmp_path: Path, format: str, exif: bytes
) -> None:
    after, told = again(tmp_path, encoded(noise(), format=format, exif=exif))
    assert "EXIF" in told
    assert "left out" in told
    assert read_picture(after).rgb.shape == (16, 24, 3)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_damage_to_exif_leaves_the_picture(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(camera_exif(1).tobytes())
    for place in data.draw(st.lists(st.integers(6, len(raw) - 1), min_size=1, max_size=8)):
        raw[place] = data.draw(st.integers(0, 255))
    format = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]))
    folder = tmp_path_factory.mktemp("exif")
    write_picture(
        folder / "a", Picture(np.asarray(noise()), format=format, extras={"exif": bytes(raw)})
    )
    assert sorted(read_picture(folder / "a").rgb.shape) == [3, 16, 24]


def test_pngs_whose_texts_pose_as_something_else_are_read_and_written(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    for key in ("dpi", "exif", "xmp", "comment", "icc_profile", "gamma", "Raw profile type exif"):
        info.add_text(key, "not what it seems")
    after, told = again(tmp_path, encoded(noise(), format="PNG", pnginfo=info))
    np.testing.assert_array_equal(read_picture(after).rgb, np.asarray(noise()))
    assert "left out" in told


# What would take minutes


def refused_soon(folder: Path, data: bytes) -> str:
    (folder / "bomb").write_bytes(data)
    # Of this thread, without the collections of what other tests left behind.
    gc.collect()
    gc.disable()
    try:
        start = time.thread_time()
        with pytest.raises(ImageError) as caught:
            read_picture(folder / "bomb")
        assert time.thread_time() - start < 3
    finally:
        gc.enable()
    return str(caught.value)


def in_scans(side: int, repeated: int, layers: tuple[int, ...] = (1,), frame: int = 0xC0) -> bytes:
    """A JPEG of three layers, a scan each, whose last scan stands there again and again."""

    def scan(*layers: int) -> bytes:
        parts = b"".join(bytes([layer, 0]) for layer in layers)
        spectrum = b"\0\0\0" if frame == 0xC2 else b"\0\x3f\0"
        return b"\xff\xda" + struct.pack(">HB", 6 + len(parts), len(layers)) + parts + spectrum

    parts = b"".join(bytes([layer, 0x11, 0]) for layer in (1, 2, 3))
    codes = bytes([1] + [0] * 15) + b"\0"
    return (
        b"\xff\xd8\xff\xdb\0\x43\0"
        + bytes([1] * 64)
        + bytes([0xFF, frame])
        + struct.pack(">HBHHB", 17, 8, side, side, 3)
        + parts
        + b"".join(b"\xff\xc4\0\x14" + bytes([table]) + codes for table in (0, 0x10))
        + scan(1)
        + scan(2)
        + scan(3)
        + scan(*layers) * repeated
        + b"\xff\xd9"
    )


def test_a_jpeg_in_a_scan_a_layer_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(in_scans(64, 0))
    assert read_picture(tmp_path / "a.jpg").rgb.shape == (64, 64, 3)
    (tmp_path / "a.jpg").write_bytes(in_scans(64, 90, frame=0xC2))
    assert read_picture(tmp_path / "a.jpg").rgb.shape == (64, 64, 3)


@pytest.mark.parametrize("count", [1, 2000, 100_000])
def test_repeated_scans_of_a_baseline_jpeg_are_refused(tmp_path: Path, count: int) -> None:
    assert "more than 3 scans" in refused_soon(tmp_path, in_scans(4000, count))


def test_repeated_scans_of_a_progressive_jpeg_are_refused(tmp_path: Path) -> None:
    assert "more than 100 scans" in refused_soon(tmp_path, in_scans(4000, 2000, frame=0xC2))


def test_scans_do_not_hide_behind_markers(tmp_path: Path) -> None:
    """Behind FF 01, which has no length; a reader that skips one would skip the scans."""
    scans = in_scans(4000, 2000).removeprefix(in_scans(4000, 0)[:-2])
    data = in_scans(4000, 0)[:-2] + b"\xff\x01\xff\xff" + scans
    assert "more than 3 scans" in refused_soon(tmp_path, data)


def test_what_looks_like_scans_elsewhere_is_no_scan(tmp_path: Path) -> None:
    """Thumbnails, comments, and the film that a phone appends to a photograph."""
    data = encoded(noise(), format="JPEG", comment=b"\xff\xda" * 5000)
    (tmp_path / "a.jpg").write_bytes(data + b"\xff\xda\0\x08" * 5000)
    assert read_picture(tmp_path / "a.jpg").rgb.shape == (16, 24, 3)
    slow = encoded(noise(), format="JPEG", comment=b"\xff\xda" * 5000, progressive=True)
    (tmp_path / "a.jpg").write_bytes(slow + b"\xff\xda\0\x08" * 5000)
    assert read_picture(tmp_path / "a.jpg").rgb.shape == (16, 24, 3)


@pytest.mark.parametrize("behind", [False, True])
def test_a_jpeg_of_a_million_segments_is_refused(tmp_path: Path, behind: bool) -> None:
    data, many = in_scans(64, 0), b"\xff\xc4\0\2" * 1_000_000
    data = data[:-2] + many + data[-2:] if behind else data[:2] + many + data[2:]
    assert "segments" in refused_soon(tmp_path, data)


@pytest.mark.parametrize("kind", [b"tEXt", b"prVt", b"IDAT"])
@pytest.mark.parametrize("behind", [False, True])
def test_a_png_of_a_hundred_thousand_chunks_is_refused(
    tmp_path: Path, kind: bytes, behind: bool
) -> None:
    data = encoded(noise(), format="PNG")
    place = len(data) - 12 if behind else 33
    many = chunk(kind, b"" if kind == b"IDAT" else b"a\0b") * 100_000
    assert "chunks" in refused_soon(tmp_path, data[:place] + many + data[place:])


def test_a_png_of_many_profiles_is_refused(tmp_path: Path) -> None:
    data = encoded(noise(), format="PNG")
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(999_000)))
    assert "profiles" in refused_soon(tmp_path, data[:33] + profile * 1000 + data[33:])


@pytest.mark.parametrize("below", [False, True])
def test_exif_of_very_many_tags_is_left_out_soon(tmp_path: Path, below: bool) -> None:
    tags = b"".join(struct.pack("<HHII", tag, 3, 1, 1) for tag in range(1, 60_000))
    exif = b"II*\0\x08\0\0\0"
    if below:
        exif += struct.pack("<HHHIII", 1, EXIF, 4, 1, 26, 0)
    exif += struct.pack("<H", 59_999) + tags + bytes(4)
    data = encoded(noise(), format="PNG")
    start = time.thread_time()
    _, told = again(tmp_path, data[:33] + chunk(b"eXIf", exif) + data[33:])
    assert time.thread_time() - start < 1
    assert told == "its EXIF is damaged and left out"


def tiff(
    entries: dict[int, tuple[int, int, int | bytes]], body: bytes = b"", more: int = 0
) -> bytes:
    """A TIFF of one directory, with `OFFSET` for where the body begins."""
    offset = 8 + 2 + 12 * len(entries) + 4
    out = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    for tag, (kind, count, value) in sorted(entries.items()):
        place = offset + int(value[1:]) if isinstance(value, bytes) else value
        out += struct.pack("<HHII", tag, kind, count, place)
    return out + struct.pack("<I", more) + body


def grey_tiff(width: int = 16, height: int = 16) -> dict[int, tuple[int, int, int | bytes]]:
    one = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height}
    return {tag: (4, 1, value) for tag, value in one.items()} | {
        273: (4, 1, b"+0"),
        279: (4, 1, width * height),
    }


def test_a_tiff_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    data = tiff(grey_tiff(60_000, 60_000), bytes(256))
    assert "60000x60000 pixels are over the limit" in refused_soon(tmp_path, data)


def test_directories_of_a_tiff_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(grey_tiff(), bytes(256), more=8))
    assert read_picture(tmp_path / "a.tif").rgb.shape == (16, 16, 3)


def test_a_million_pages_are_not_counted(tmp_path: Path) -> None:
    start = len(tiff(grey_tiff(), bytes(256)))
    pages = b"".join(struct.pack("<HI", 0, start + 6 * page) for page in range(1, 300_001))
    (tmp_path / "a.tif").write_bytes(tiff(grey_tiff(), bytes(256) + pages, more=start))
    begun = time.thread_time()
    assert read_picture(tmp_path / "a.tif").lost == "its first page alone is kept"
    assert time.thread_time() - begun < 1


def test_repeated_strips_of_a_tiff_are_refused(tmp_path: Path) -> None:
    few = grey_tiff(1000, 1000) | {278: (4, 1, 500), 273: (4, 9000, b"+0"), 279: (4, 9000, b"+0")}
    assert "many times over" in refused_soon(tmp_path, tiff(few, bytes(1_000_000)))
    many = few | {273: (4, 900_000, b"+0")}
    assert "900000 strips" in refused_soon(tmp_path, tiff(many, bytes(4_000_000)))


@pytest.mark.parametrize(
    ("size", "tile"), [((100, 100), (46_000, 46_000)), ((16, 1 << 20), (1024, 16_384))]
)
def test_tiles_far_beyond_a_tiff_are_refused(
    tmp_path: Path, size: tuple[int, int], tile: tuple[int, int]
) -> None:
    tags = grey_tiff(*size)
    for tag in (273, 278, 279):
        del tags[tag]
    tags |= {259: (4, 1, 8), 322: (4, 1, tile[0]), 323: (4, 1, tile[1])}
    tags |= {324: (4, 64, b"+0"), 325: (4, 64, b"+0")}
    assert f"tiles of {tile[0]}x{tile[1]}" in refused_soon(tmp_path, tiff(tags, bytes(5000)))


def test_a_tiff_of_very_many_tags_is_refused(tmp_path: Path) -> None:
    tags = grey_tiff() | {tag: (1, 100_000, 8) for tag in range(1000, 60_000)}
    assert "tags" in refused_soon(tmp_path, tiff(tags, bytes(256)))
