"""Metadata of image files, and checks for files that would take too long to decode."""

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
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import IO, Any

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

MAX_SCANS = 100  # scans of a progressive JPEG, each of which takes time for all pixels
ORIENTATION = ExifTags.Base.Orientation

_NAMES = {
    "exif": "EXIF",
    "xmp": "XMP",
    "dpi": "resolution",
    "comment": "comment",
    "pnginfo": "texts and color chunks",
}
_PARTS_TAGS = 273, 324  # offsets of strips and tiles
_TILE_TAGS = 322, 323  # width, height
_BITS_TAG = ExifTags.Base.BitsPerSample
_XMP_TAG = 700
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
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>\s*))\d""")
_XMP_THUMBNAIL = re.compile(rb"""(xmpGImg:image\s*(?:=\s*["']|>))[^<"']+""")
_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_TIFF_STARTS = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
_EXIF_START = b"Exif\0\0"
_END, _SCAN = 0xD9, 0xDA
_PROGRESSIVE_FRAMES = (0xC2, 0xC6, 0xCA, 0xCE)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# A file may have _MANY parts, and one more for each _LEAST_PART bytes of its size. Pillow takes
# some microseconds for each part, and an attacker's parts may have only 12 bytes.
_MANY, _LEAST_PART = 20_000, 256
_MAX_TAGS = 1000
_MAX_PROFILES = 10
_AV1_CONFIGURATION = b"av1C"
_DAMAGED = b"damaged"
_HEAD = 1 << 16  # bytes that contain the header of an AVIF
_LOCK = threading.Lock()


@contextlib.contextmanager
def pillow_unguarded() -> Iterator[list[warnings.WarningMessage]]:
    """Record Pillow's warnings in the block, and disable its pixel limit, because we have our own.

    Yields:
        The list of warnings so far.
    """
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
        return max(image.tag_v2.get(_BITS_TAG, (1,)))
    if image.format == "AVIF":
        flags = _peek(file, _HEAD).partition(_AV1_CONFIGURATION)[2][2:3] or b"\0"
        return 8 + 2 * bool(flags[0] & 0x40) + 2 * (flags[0] & 0x60 == 0x60)
    return 8


def excess_of(file: io.BufferedReader) -> str:
    """Check whether Pillow would take far too long for a file of this size.

    Args:
        file: a file of any kind, before Pillow opens it.

    Returns:
        A message with the reason to refuse the file, or an empty string.
    """
    start = _peek(file, 8)
    many = _MANY + os.fstat(file.fileno()).st_size // _LEAST_PART
    if start.startswith(_JPEG_START):
        return _excess_of_jpeg(_peek(file), many)
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


def excess_of_tiff(image: TiffImagePlugin.TiffImageFile, max_pixels: int) -> str:
    """Check whether libtiff would decode far more pixels than a TIFF has.

    Args:
        image: an opened image. Nothing is decoded.
        max_pixels: largest number of pixels.

    Returns:
        As for `excess_of`.
    """
    areas = ((x[2] - x[0]) * (x[3] - x[1]) for _, x, *_ in image.tile if x)
    if sum(areas) > 2 * len(image.getbands()) * math.prod(image.size):
        return "a TIFF whose strips cover it many times over"
    tile = [image.tag_v2.get(tag, 1) for tag in _TILE_TAGS]
    size = image.tag_v2[ExifTags.Base.ImageWidth], image.tag_v2[ExifTags.Base.ImageLength]
    if math.prod(-(-a // max(b, 1)) * b for a, b in zip(size, tile, strict=True)) > 2 * max_pixels:
        return f"a TIFF whose tiles of {tile[0]}x{tile[1]} pixels reach far beyond it"
    return ""


def _excess_of_jpeg(data: bytes, many: int) -> str:
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


def read_extras(image: Image.Image, file: io.BufferedReader) -> dict[str, Any]:
    """Return the metadata of an image, as options of Pillow's `save`.

    Args:
        image: the loaded image.
        file: the file that it was opened from.

    Returns:
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


def upright_extras(
    extras: Mapping[str, Any], format: str, size: tuple[int, int]
) -> tuple[dict[str, Any], list[str]]:
    """Update metadata for the image that is written.

    The orientation becomes upright. Thumbnails in EXIF and XMP are removed, because they show the
    original image, and a hole may have been filled for privacy.

    Args:
        extras: metadata from `read_extras`.
        format: format of the file that is written.
        size: width and height of the image.

    Returns:
        The options for `save`, and messages about metadata that are left out.
    """
    upright, lost = dict(extras), []
    if "xmp" in upright:
        upright["xmp"] = _XMP_THUMBNAIL.sub(
            rb"\1", _XMP_ORIENTATION.sub(rb"\g<1>1", upright["xmp"])
        )
    if "exif" in upright:
        try:
            with pillow_unguarded() as caught:
                upright["exif"] = _upright_exif(upright["exif"], size)
            if caught:
                lost.append("the damaged part of its EXIF is left out")
        except Exception:  # Pillow may raise any exception for damaged EXIF
            del upright["exif"]
            lost.append("its EXIF is damaged and left out")
    if format == "PNG" and "xmp" in upright:
        chunks = PngImagePlugin.PngInfo()
        chunks.chunks += getattr(upright.get("pnginfo"), "chunks", [])
        chunks.add_itxt("XML:com.adobe.xmp", upright.pop("xmp"))
        upright["pnginfo"] = chunks
    if format == "TIFF":
        upright |= _for_tiff(upright.pop("exif", b""), upright.pop("xmp", None))
    return upright, lost


def encode(image: Image.Image, options: Mapping[str, Any], extras: Mapping[str, Any]) -> bytes:
    """Encode an image."""
    buffer = io.BytesIO()
    image.save(buffer, **{**options, **extras})
    return buffer.getvalue()


def encode_what_can_be(
    image: Image.Image, options: Mapping[str, Any], extras: Mapping[str, Any]
) -> tuple[bytes, list[str]]:
    """Encode an image, without the metadata that its format does not support.

    Args:
        image: the image.
        options: options of Pillow's `save`.
        extras: metadata from `upright_extras`.

    Returns:
        The content of the file, and messages about metadata that are left out.

    Raises:
        OSError: if the image cannot be encoded without metadata either.
        ValueError: likewise.
    """
    try:
        return encode(image, options, extras), []
    except Exception:  # Pillow may raise any exception for metadata that it cannot write
        good = {name: extra for name, extra in extras.items() if _takes(options, name, extra)}
        lost = [
            f"its {_NAMES[name]} cannot be written and is left out" for name in extras.keys() - good
        ]
        return encode(image, options, good), sorted(lost)


def _takes(options: Mapping[str, Any], name: str, extra: Any) -> bool:
    """Return whether a small image can be encoded with one of the metadata."""
    try:
        encode(Image.new("RGB", (8, 8)), options, {name: extra})
    except Exception:
        return False
    return True


def _peek(file: io.BufferedReader, count: int = -1) -> bytes:
    """Return the start of a file, or all of it, and keep the position of the file."""
    place = file.tell()
    file.seek(0)
    data = file.read(count)
    file.seek(place)
    return data


def _has_dpi(image: Image.Image) -> bool:
    """Return whether the file has a resolution. Pillow makes one up if it has none."""
    if image.format in ("JPEG", "MPO"):
        return image.info.get("jfif_unit") in (1, 2)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return ExifTags.Base.XResolution in image.tag_v2
    return isinstance(image.info.get("dpi"), tuple)


def _exif_of(image: Image.Image, only: Collection[int] | None = None) -> bytes:
    """Return EXIF that Pillow has to assemble from tags, or `_DAMAGED`."""
    try:
        with pillow_unguarded():
            exif = image.getexif()
            for tag in () if only is None else set(exif) - set(only):
                del exif[tag]
            return exif.tobytes() if len(exif) else b""
    except Exception:  # Pillow may raise any exception for damaged EXIF
        return _DAMAGED


def _upright_exif(data: bytes, size: tuple[int, int]) -> bytes:
    """Return EXIF for an upright image. Pillow leaves out the thumbnail."""
    exif = Image.Exif()
    exif.load(check_exif(data))
    for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if tag in exif:
            check_exif(data, exif[tag])
    details = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    note = details.get(ExifTags.Base.MakerNote)
    if (
        isinstance(note, bytes) and _JPEG_START in note
    ):  # some cameras keep a second thumbnail there
        del details[ExifTags.Base.MakerNote]
    for tags, names in (
        (exif, (ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength)),
        (details, (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)),
    ):
        for name, side in zip(names, size, strict=True):
            if name in tags:
                tags[name] = side
    return exif.tobytes()


def _for_tiff(data: bytes, xmp: bytes | None) -> dict[str, Any]:
    """Return EXIF and XMP as options for a TIFF, where XMP is one of the tags."""
    exif = Image.Exif()
    exif.load(data)
    if xmp is not None:
        exif[_XMP_TAG] = xmp
    # Pillow cannot compress a TIFF that has further directories.
    raw = ExifTags.IFD.Exif in exif or ExifTags.IFD.GPSInfo in exif
    return ({"exif": exif} if len(exif) else {}) | ({"compression": "raw"} if raw else {})


def check_exif(data: bytes, place: int | None = None) -> bytes:
    """Return EXIF unchanged, after a check of the number of its tags.

    Args:
        data: EXIF.
        place: offset of the directory to check. None: the first one.

    Raises:
        ValueError: if it has too many tags, which would take long to read.
    """
    body = data.removeprefix(_EXIF_START)
    if len(_directory(io.BytesIO(body), place)) > _MAX_TAGS:
        raise ValueError(f"EXIF of more than {_MAX_TAGS} tags")
    return data


def _kept_chunks(file: io.BufferedReader) -> PngImagePlugin.PngInfo | None:
    """Return the texts and the color chunks of a PNG."""
    kept = PngImagePlugin.PngInfo()
    for kind, size in _chunks(file):
        if kind in _KEPT_CHUNKS and not (data := file.read(size)).startswith(_NO_TEXTS):
            kept.add(kind, data)
    return kept if kept.chunks else None


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

    Args:
        file: the TIFF, which is read from its beginning.
        place: offset of the directory. None: the first one.
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
