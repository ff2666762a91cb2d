"""Writing images, with the metadata of the files that they were read from."""

from __future__ import annotations

import dataclasses
import io
import os
import re
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from neuralgym_lite.errors import reason_of
from neuralgym_lite.folders import atomic_write
from neuralgym_lite.image_header import JPEG_START, ORIENTATION, check_exif, unlimited_pillow
from neuralgym_lite.images import Format, ImageError, Picture, to_pillow

_SAVE_OPTIONS: dict[Format, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "BMP": {},
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
_NAMES = {
    "exif": "EXIF",
    "xmp": "XMP",
    "dpi": "resolution",
    "comment": "comment",
    "pnginfo": "texts and color chunks",
}
_XMP_TAG = 700
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>\s*))\d""")
_XMP_THUMBNAIL = re.compile(rb"""(xmpGImg:image\s*(?:=\s*["']|>))[^<"']+""")


def write_picture(path: str | os.PathLike[str], picture: Picture) -> str:
    """Write an image in its own format, atomically.

    PNG, BMP, WebP and TIFF are lossless. JPEG and AVIF have quality 95 and no chroma subsampling. A
    grey image is written as the luma of its `rgb`, with one channel if the format supports that.
    JPEG and BMP have no alpha channel. EXIF and XMP are written for an upright image, and without
    their thumbnails, which show the original.

    Args:
        path: the file, in an existing folder.
        picture: the image.

    Returns:
        A message about `extras` that could not be written, or an empty string.

    Raises:
        ImageError: if the file cannot be written.
    """
    alpha = None if picture.format in ("JPEG", "BMP") else picture.alpha
    image = to_pillow(dataclasses.replace(picture, alpha=alpha, extras={}))
    options = dict(_SAVE_OPTIONS[picture.format], format=picture.format)
    if picture.profile is not None:
        options["icc_profile"] = picture.profile
    extras, lost = _upright_extras(picture.extras, picture.format, image.size)
    try:
        data, refused = _encode_what_can_be(image, options, extras)
        atomic_write(path, data)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written: {reason_of(error)}") from error
    return ", ".join(lost + refused)


def _encode_what_can_be(
    image: Image.Image, options: Mapping[str, Any], extras: Mapping[str, Any]
) -> tuple[bytes, list[str]]:
    """Encode an image without the metadata that its format does not support, and name these."""
    try:
        return _encode(image, options, extras), []
    except Exception:  # Pillow may raise any exception for metadata that it cannot write
        good = {name: extra for name, extra in extras.items() if _takes(options, name, extra)}
        lost = [
            f"its {_NAMES[name]} cannot be written and is left out" for name in extras.keys() - good
        ]
        return _encode(image, options, good), sorted(lost)


def _encode(image: Image.Image, options: Mapping[str, Any], extras: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **{**options, **extras})
    return buffer.getvalue()


def _takes(options: Mapping[str, Any], name: str, extra: Any) -> bool:
    """Return whether a small image can be encoded with one of the metadata."""
    try:
        _encode(Image.new("RGB", (8, 8)), options, {name: extra})
    except Exception:
        return False
    return True


def _upright_extras(
    extras: Mapping[str, Any], format: str, size: tuple[int, int]
) -> tuple[dict[str, Any], list[str]]:
    """Return metadata for an upright image of a size, and messages about what is left out.

    Thumbnails in EXIF and XMP are removed, because they show the original image, and a hole may
    have been filled for privacy.
    """
    upright, lost = dict(extras), []
    if "xmp" in upright:
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", upright["xmp"])
        upright["xmp"] = _XMP_THUMBNAIL.sub(rb"\1", xmp)
    if "exif" in upright:
        try:
            with unlimited_pillow() as caught:
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
    if isinstance(note, bytes) and JPEG_START in note:  # a second thumbnail of some cameras
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
