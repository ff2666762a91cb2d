"""Headers and metadata of image files, and checks for decompression bombs."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import struct
import threading
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from typing import IO, Any

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

MAX_SCANS = 100  # scans of a progressive JPEG, each of which takes time for all pixels
ORIENTATION = ExifTags.Base.Orientation
JPEG_START = b"\xff\xd8\xff"

_PARTS_TAGS = 273, 324  # offsets of strips and tiles
_TILE_TAGS = 322, 323  # width, height
# Tags that describe the photograph. Others describe how the file stores it.
_TIFF_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Copyright,
    ExifTags.IFD.Exif,
    ExifTags.IFD.GPSInfo,
)
_KEPT_CHUNKS = (b"cICP", b"cHRM", b"gAMA", b"sRGB", b"tEXt", b"zTXt", b"iTXt")
# XMP and EXIF, which are corrected for the orientation and written separately.
_NO_TEXTS = (b"XML:com.adobe.xmp", b"Raw profile type")
# A JPEG marker that is followed by a length, which stuffed bytes and restart markers are not.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_PNG_START = b"\x89PNG\r\n\x1a\n"
_TIFF_STARTS = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
_END, _SCAN = 0xD9, 0xDA
_PROGRESSIVE_FRAMES = (0xC2, 0xC6, 0xCA, 0xCE)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# A file may have _MANY parts, and one more for each _LEAST_PART bytes of its size. Pillow takes
# some microseconds for each part, and an attacker's parts may have only 12 bytes.
_MANY, _LEAST_PART = 20_000, 256
_MAX_TAGS = 1000
_MAX_PROFILES = 10
_HEAD = 1 << 16  # bytes that contain the header of an AVIF
_LOCK = threading.Lock()


@contextlib.contextmanager
def unlimited_pillow() -> Iterator[list[warnings.WarningMessage]]:
    """Disable Pillow's pixel limit in the block, as we have ours, and yield its warnings."""
    with _LOCK, warnings.catch_warnings(record=True) as caught:  # both are global to the process
        warnings.simplefilter("always")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield caught
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def bits_of(image: Image.Image, file: io.BufferedReader) -> int:
    """Return the bits per channel in the file. Pillow reports them only for grey images."""
    if image.format == "PNG":
        return _peek(file, 25)[24]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max(image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,)))
    if image.format == "AVIF":
        flags = _peek(file, _HEAD).partition(b"av1C")[2][2:3] or b"\0"
        return 8 + 2 * bool(flags[0] & 0x40) + 2 * (flags[0] & 0x60 == 0x60)
    return 8


# ------------------------------------------------------------------------------------------ limits


def find_bomb(file: io.BufferedReader) -> str:
    """Describe what in a file would take Pillow far too long for its size; "" if nothing does."""
    start = _peek(file, 8)
    many = _MANY + os.fstat(file.fileno()).st_size // _LEAST_PART
    if start.startswith(JPEG_START):
        return _find_jpeg_bomb(_peek(file), many)
    if start == _PNG_START:
        kinds = Counter(kind for kind, _ in islice(_chunks(file), many + 1))
        if kinds.total() > many:
            return f"a PNG of more than {many} chunks"
        if kinds[b"iCCP"] > _MAX_PROFILES:  # Pillow decompresses each
            return f"a PNG of {kinds[b'iCCP']} color profiles"
    if start[:4] in _TIFF_STARTS:
        tags = _directory(file)
        if len(tags) > _MAX_TAGS:
            return f"a TIFF of more than {_MAX_TAGS} tags"
        if (parts := max((count for tag, count in tags if tag in _PARTS_TAGS), default=0)) > many:
            return f"a TIFF of {parts} strips or tiles"
    return ""


def _find_jpeg_bomb(data: bytes, many: int) -> str:
    """Check the markers of a JPEG, but not those of thumbnails or after its end."""
    scans, segments, layers, most, place = 0, 0, 0, 0, 2
    while segments <= many and (marker := _MARKER.search(data, place)):
        kind, start = marker[1][0], marker.end()
        size, segments = int.from_bytes(data[start : start + 2], "big"), segments + 1
        place = start + size
        if kind == _END:
            return ""
        if kind in _FRAMES and size > 7:
            layers = data[start + 7]
            # A JPEG that is not progressive has one scan for each layer.
            most = MAX_SCANS if kind in _PROGRESSIVE_FRAMES else layers
        if kind == _SCAN and most:
            scans += 1
            if scans > most:
                return f"a JPEG of more than {most} scans"
            # After a scan with all layers, libjpeg reads no other.
            if most == layers and data[start + 2 : start + 3] == bytes([layers]):
                return ""
    return f"a JPEG of more than {many} segments" if segments > many else ""


def find_tiff_bomb(image: TiffImagePlugin.TiffImageFile, max_pixels: int) -> str:
    """Describe why libtiff would decode far more pixels than a TIFF has; "" if it does not."""
    areas = ((x[2] - x[0]) * (x[3] - x[1]) for _, x, *_ in image.tile if x)
    if sum(areas) > 2 * len(image.getbands()) * math.prod(image.size):
        return "a TIFF whose strips cover it many times over"
    tile = [image.tag_v2.get(tag, 1) for tag in _TILE_TAGS]
    size = image.tag_v2[ExifTags.Base.ImageWidth], image.tag_v2[ExifTags.Base.ImageLength]
    if math.prod(-(-a // max(b, 1)) * b for a, b in zip(size, tile, strict=True)) > 2 * max_pixels:
        return f"a TIFF whose tiles of {tile[0]}x{tile[1]} pixels reach far beyond it"
    return ""


def check_exif(data: bytes, place: int | None = None) -> bytes:
    """Return EXIF unchanged; a ValueError if it has too many tags, which would take long to read.

    `place` is the offset of the directory to check, by default that of the first one.
    """
    body = data.removeprefix(b"Exif\0\0")
    if len(_directory(io.BytesIO(body), place)) > _MAX_TAGS:
        raise ValueError(f"EXIF of more than {_MAX_TAGS} tags")
    return data


# ---------------------------------------------------------------------------------------- metadata


def read_extras(image: Image.Image, file: io.BufferedReader) -> dict[str, Any]:
    """Return the metadata of a loaded image, as options of Pillow's `save`.

    As far as present: `exif` and `xmp` as in the file, `dpi`, the `comment` of a JPEG, and as
    `pnginfo` the texts and color chunks of a PNG.
    """
    info = image.info
    extras = {"exif": info.get("exif"), "xmp": info.get("xmp")}
    # Texts of a PNG may have these names, and are not bytes.
    extras = {name: extra for name, extra in extras.items() if isinstance(extra, bytes)}
    if _has_dpi(image):
        extras["dpi"] = info.get("dpi")
    if image.format in ("JPEG", "MPO"):
        extras["comment"] = info.get("comment")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        extras["exif"] = _exif_of(image, _TIFF_TAGS)
    if isinstance(image, PngImagePlugin.PngImageFile):
        extras["pnginfo"] = _kept_chunks(file)
        if "Raw profile type exif" in info and "exif" not in extras:  # as ImageMagick writes it
            extras["exif"] = _exif_of(image)
    return {name: extra for name, extra in extras.items() if extra}


def _has_dpi(image: Image.Image) -> bool:
    """Return whether the file has a resolution. Pillow makes one up if it has none."""
    if image.format in ("JPEG", "MPO"):
        return image.info.get("jfif_unit") in (1, 2)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return ExifTags.Base.XResolution in image.tag_v2
    return isinstance(image.info.get("dpi"), tuple)


def _exif_of(image: Image.Image, only: Collection[int] | None = None) -> bytes:
    """Return EXIF that Pillow has to assemble from tags, or bytes that are not EXIF."""
    try:
        with unlimited_pillow():
            exif = image.getexif()
            for tag in () if only is None else set(exif) - set(only):
                del exif[tag]
            return exif.tobytes() if len(exif) else b""
    except Exception:  # Pillow may raise any exception for damaged EXIF
        return b"damaged"


def _kept_chunks(file: io.BufferedReader) -> PngImagePlugin.PngInfo | None:
    """Return the texts and the color chunks of a PNG."""
    kept = PngImagePlugin.PngInfo()
    for kind, size in _chunks(file):
        if kind in _KEPT_CHUNKS and not (data := file.read(size)).startswith(_NO_TEXTS):
            kept.add(kind, data)
    return kept if kept.chunks else None


# ------------------------------------------------------------------------------------- file formats


def _peek(file: io.BufferedReader, count: int = -1) -> bytes:
    """Return the start of a file, or all of it, and keep the position of the file."""
    place = file.tell()
    file.seek(0)
    data = file.read(count)
    file.seek(place)
    return data


def _chunks(file: io.BufferedReader) -> Iterator[tuple[bytes, int]]:
    """Yield kind and size of the chunks of a PNG. The file is at the start of their data."""
    before, place = file.tell(), len(_PNG_START)
    kind = b""
    while kind not in (b"IEND", b"fdAT"):  # fdAT: frames of an animation, which are not read
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            break
        size, kind = struct.unpack(">I4s", head)
        yield kind, size
        place += size + 12
    file.seek(before)


def _directory(file: IO[bytes], place: int | None = None) -> list[tuple[int, int]]:
    """Return the tags of a directory of a TIFF or of EXIF, with their numbers of values.

    `place` is the offset of the directory in the file, by default that of the first one.
    """
    file.seek(0)
    head = file.read(16)
    order, big = "<" if head[:1] == b"I" else ">", 43 in head[2:4]
    offset, count, entry = ("8xQ", "Q", "HHQ8s") if big else ("4xI8x", "H", "HHI4s")
    try:
        file.seek(struct.unpack(order + offset, head)[0] if place is None else place)
        (n,) = struct.unpack(order + count, file.read(struct.calcsize("=" + count)))
        entries = file.read(min(n, _MAX_TAGS + 1) * struct.calcsize("=" + entry))
        return [(tag, n) for tag, _, n, _ in struct.iter_unpack(order + entry, entries)]
    except (struct.error, OverflowError, ValueError):  # the file is truncated: Pillow reports it
        return []
