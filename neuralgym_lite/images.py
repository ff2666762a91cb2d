"""Reading images: upright, with limits, as RGB, alpha and metadata."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, features
from PIL.TiffImagePlugin import TiffImageFile

from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.image_header import (
    ORIENTATION,
    bits_of,
    check_exif,
    find_bomb,
    find_tiff_bomb,
    read_extras,
    unlimited_pillow,
)
from neuralgym_lite.limits import MAX_PIXELS

UInt8: TypeAlias = npt.NDArray[np.uint8]
Format: TypeAlias = Literal["PNG", "JPEG", "BMP", "WEBP", "TIFF", "AVIF"]

MID_GREY = 127  # levels of a mask above this are missing
MAX_SIDE = 1 << 20  # as in OpenCV

# Pillow supports AVIF from 11.3 on, if it was built with it.
_AVIF = "avif" in features.modules and features.check_module("avif")
_READ = ("JPEG", "PNG", "BMP", "WebP", "TIFF", "AVIF")[: 6 if _AVIF else 5]
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".avif")[: 8 if _AVIF else 7]

_GREY_MODES = ("1", "L", "LA", "I;16", "I;16L", "I;16B", "I;16N")
_UNREADABLE = {
    "I": "signed or 32-bit integers",
    "F": "floating-point numbers",
    "La": "premultiplied grey levels",
    "LAB": "Lab colors",
}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRIP = 1 << 22  # pixels that are converted at once, to limit memory for large images


class ImageError(UserError):
    """An image cannot be read or written. The message names its file."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded image, upright.

    Attributes:
        rgb: colors, uint8 of shape (H, W, 3). They are not multiplied by `alpha`.
        alpha: opacity, uint8 of shape (H, W), or None if the file has none.
        grey: whether the file has a single color channel.
        format: format of the file, which may differ from that of its name.
        profile: ICC profile of `rgb`, or None.
        lost: message about pixel data of the file that is not here, or an empty string.
        extras: metadata as options of Pillow's `save`: EXIF and XMP as in the file, dpi, the
            comment of a JPEG, the texts and color chunks of a PNG.
    """

    rgb: UInt8
    alpha: UInt8 | None = None
    grey: bool = False
    format: Format = "PNG"
    profile: bytes | None = None
    lost: str = ""
    extras: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def to_uint8(values: npt.NDArray[np.floating[Any]]) -> UInt8:
    """Return values in [-1, 1] as grey levels from 0 to 255, rounded and clipped."""
    return np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)


def read_picture(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Picture:
    """Read an image as viewers show it.

    The size is checked in the header before any pixel is decoded. Of animations the first frame is
    read, and of TIFFs the first page. 16-bit grey is scaled to 8 bits, CMYK and palettes are
    converted to RGB, and the EXIF orientation is applied.

    Args:
        path: a JPEG, PNG, BMP, WebP, TIFF or AVIF file, with any suffix.
        max_pixels: largest number of pixels (width x height).

    Returns:
        The image.

    Raises:
        ImageError: if the file is missing, not an image, damaged or over a limit.
    """
    path = Path(path)
    if path.is_fifo():  # opening it would block
        raise ImageError(f"{path}: a pipe, not a file")
    try:
        with path.open("rb") as file:
            return _decode(path, file, max_pixels)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {reason_of(error)}") from error


def read_rgb(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> UInt8:
    """Read the colors of an image, composited over white where it is transparent.

    Arguments and errors are those of `read_picture`. The result is uint8 of shape (H, W, 3).
    """
    return _composited(read_picture(path, max_pixels), background=255)


def read_mask(
    path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS, invert: bool = False
) -> UInt8:
    """Read a mask: uint8 of shape (H, W), 1 where pixels are missing and 0 where they are known.

    Pixels lighter than mid-grey are missing; others and transparent ones are known. With `invert`,
    the darker ones are missing. Other arguments and errors are those of `read_picture`.
    """
    return (read_levels(path, max_pixels, invert) > MID_GREY).astype(np.uint8)


def read_levels(
    path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS, invert: bool = False
) -> UInt8:
    """Read the grey levels of a mask, uint8 of shape (H, W). Arguments are those of `read_mask`."""
    return levels_of(read_picture(path, max_pixels), invert)


def levels_of(picture: Picture, invert: bool = False) -> UInt8:
    """Return the grey levels of a mask, of which those above `MID_GREY` are missing.

    A level is the luma (ITU-R 601) of a color, and 0 where the mask is transparent. If a file has
    only the levels 0 and 1, they are read as 0 and 255.
    """
    levels = luma(_composited(picture, background=255 if invert else 0))
    if levels.max(initial=0) == 1:
        levels *= 255
    return 255 - levels if invert else levels


def luma(rgb: UInt8) -> UInt8:
    """Return the ITU-R 601 luma, shape (H, W). It is exact where the three channels are equal."""
    height, width, _ = rgb.shape
    levels = np.empty((height, width), np.uint8)
    for rows in _strips(height, width):
        levels[rows] = np.asarray(Image.fromarray(rgb[rows]).convert("L"))
    return levels


def from_pillow(image: Image.Image) -> Picture:
    """Return a Pillow image as a picture with its pixels, profile and dpi.

    Its EXIF is not read, so that its orientation is not applied.

    Args:
        image: of any mode that `read_picture` reads.

    Raises:
        ImageError: if its samples are of another kind, or it cannot be decoded.
    """
    _check_mode(image, "The image:")
    try:
        rgb, alpha = _layers(image)
    except Exception as error:  # a file that Pillow has not decoded yet may be damaged
        raise ImageError(f"The image cannot be decoded: {reason_of(error)}") from error
    extras = {"dpi": image.info["dpi"]} if "dpi" in image.info else {}
    return Picture(rgb, alpha, image.mode in _GREY_MODES, profile=_profile(image), extras=extras)


def to_pillow(picture: Picture) -> Image.Image:
    """Return a picture as a Pillow image of mode L, LA, RGB or RGBA, with its profile and dpi."""
    image = Image.fromarray(luma(picture.rgb) if picture.grey else picture.rgb)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    if picture.profile is not None:
        image.info["icc_profile"] = picture.profile
    if "dpi" in picture.extras:
        image.info["dpi"] = picture.extras["dpi"]
    return image


def _decode(path: Path, file: io.BufferedReader, max_pixels: int) -> Picture:
    """Decode an open file, after checks of its header."""
    if bomb := find_bomb(file):
        raise ImageError(f"{path}: {bomb}; save it anew")
    try:
        with unlimited_pillow():
            image: Image.Image = Image.open(file, formats=_READ)
    except Exception as error:  # Pillow may raise any exception for a damaged header
        kinds = f"{', '.join(_READ[:-1])} or {_READ[-1]}"
        raise ImageError(f"{path}: not a readable {kinds} picture") from error
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{path}: {width}x{height} pixels are over the limit of {max_pixels / 1e6:g} "
            "megapixels; raise it with `max_pixels`"
        )
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f"{path}: {width}x{height} pixels: no side may have more than {MAX_SIDE} pixels"
        )
    _check_mode(image, f"{path}:")
    # Phones append a second view to a JPEG, which makes it an MPO.
    format = cast(Format, "JPEG" if image.format == "MPO" else image.format)
    try:
        if isinstance(image, TiffImageFile) and (bomb := find_tiff_bomb(image, max_pixels)):
            raise ImageError(f"{path}: {bomb}; save it anew")
        lost = _lost(image, file)
        # Pillow reads more of a TIFF's header now, and checks the size again.
        with unlimited_pillow() if format == "TIFF" else contextlib.nullcontext():
            image.load()
        extras = read_extras(image, file)
        image = image if format == "TIFF" else _upright(image)  # a TIFF is loaded upright
        rgb, alpha = _layers(image)
    except ImageError:
        raise
    except Exception as error:  # Pillow may raise any exception for damaged data
        raise ImageError(f"{path}: damaged picture: {reason_of(error)}") from error
    grey = image.mode in _GREY_MODES
    return Picture(rgb, alpha, grey, format, _profile(image), lost, extras)


def _check_mode(image: Image.Image, subject: str) -> None:
    """Refuse samples that 8 bits cannot hold."""
    if image.mode in _UNREADABLE:
        kind = _UNREADABLE[image.mode]
        raise ImageError(f"{subject} its samples are {kind}; save it with 8 or 16 bits a channel")


def _lost(image: Image.Image, file: io.BufferedReader) -> str:
    """Return a message about pixel data of a file that an 8-bit RGB image cannot hold."""
    lost = []
    # The pages of a TIFF are not counted, because each would have to be read. The other frames of
    # an MPO are not part of the photograph.
    if image.format == "TIFF":
        lost += ["its first page alone is kept"] * getattr(image, "is_animated", False)
    elif image.format != "MPO" and (frames := getattr(image, "n_frames", 1)) > 1:
        lost.append(f"its first frame of {frames} alone is kept")
    if (bits := bits_of(image, file)) > 8:
        lost.append(f"its {bits} bits a channel become 8")
    if image.mode == "CMYK":
        lost.append("its CMYK becomes RGB")
    return ", ".join(lost)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation, and ignore damaged EXIF.

    `ImageOps.exif_transpose` would also rewrite the EXIF and XMP of the file, whose size and
    content are unchecked, and copy images that are upright already.
    """
    try:
        with unlimited_pillow():
            check_exif(image.info.get("exif", b""))
            method = _UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return image
    return image if method is None else image.transpose(method)


def _layers(image: Image.Image) -> tuple[UInt8, UInt8 | None]:
    """Split a Pillow image into RGB and alpha."""
    height, width = image.height, image.width
    rgb = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if image.has_transparency_data else None
    tags = getattr(image, "tag_v2", {})
    for rows in _strips(height, width):
        part = image.crop((0, rows.start, width, rows.stop))
        if image.mode.startswith("I"):
            pixels = _scaled(part, tags)
        else:
            pixels = np.asarray(part.convert("RGB" if alpha is None else "RGBA"))
        rgb[rows] = pixels[..., :3]
        if alpha is not None:
            alpha[rows] = pixels[..., 3]
    return rgb, alpha


def _scaled(image: Image.Image, tags: Mapping[int, Any]) -> UInt8:
    """Return 16-bit grey, which Pillow would clip at 255, as RGBA from 0 to 255."""
    wide = np.asarray(image).astype(np.uint32)
    white = (1 << max(tags.get(ExifTags.Base.BitsPerSample, (16,)))) - 1
    grey = ((wide * 255 + white // 2) // white).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # white is zero
        grey = 255 - grey
    opacity = np.uint8(255) * (wide != image.info.get("transparency", -1))
    return np.stack([grey, grey, grey, opacity], axis=-1)


def _strips(height: int, width: int) -> Iterator[slice]:
    """Yield slices of all rows, of up to `_STRIP` pixels each."""
    step = max(_STRIP // max(width, 1), 1)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _profile(image: Image.Image) -> bytes | None:
    """Return the ICC profile, unless it is for CMYK, which has been converted."""
    profile = image.info.get("icc_profile")
    # A profile that did not match before, such as sRGB in a grey JPEG, is kept.
    return profile if profile and profile[16:20] in (b"GRAY", b"RGB ") else None


def _composited(picture: Picture, background: int) -> UInt8:
    """Composite an image over a grey level."""
    if picture.alpha is None:
        return picture.rgb
    mixed = np.empty_like(picture.rgb)
    for rows in _strips(*picture.alpha.shape):
        alpha = picture.alpha[rows, :, None].astype(np.uint16)
        sums = picture.rgb[rows] * alpha + np.uint16(background) * (255 - alpha)
        mixed[rows] = (sums + 127) // 255
    return mixed
