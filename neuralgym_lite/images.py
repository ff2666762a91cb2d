"""Photographs in and out: every file decodes to what a person sees, and no file is half-written."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, features
from PIL.TiffImagePlugin import TiffImageFile

from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import temporary_name
from neuralgym_lite.picture_header import (
    ORIENTATION,
    bits_of,
    check_exif,
    encode_what_can_be,
    excess_of,
    excess_of_tiff,
    pillow_unguarded,
    read_extras,
    upright_extras,
)

UInt8: TypeAlias = npt.NDArray[np.uint8]
Format: TypeAlias = Literal["PNG", "JPEG", "BMP", "WEBP", "TIFF", "AVIF"]
Tell: TypeAlias = Callable[[str], object]

MAX_PIXELS = 64_000_000
MID_GREY = 127  # of a mask: higher levels are missing
MAX_SIDE = 1 << 20  # as in OpenCV

# Pillow knows AVIF from 11.3 on, where it was built with it.
_AVIF = "avif" in features.modules and features.check_module("avif")
_READ = ("JPEG", "PNG", "BMP", "WebP", "TIFF", "AVIF")[: 6 if _AVIF else 5]
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".avif")[: 8 if _AVIF else 7]

_FORMATS: dict[str | None, Format] = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "MPO": "JPEG",  # phones append a second view to a JPEG; the first one is the photograph
    "BMP": "BMP",
    "WEBP": "WEBP",
    "TIFF": "TIFF",
    "AVIF": "AVIF",
}
_SAVE_OPTIONS: dict[Format, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "BMP": {},
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
_GREY_MODES = ("1", "L", "LA")
_UNREADABLE = {
    "I": "signed or 32-bit integers",
    "F": "floating-point numbers",
    "La": "premultiplied grey levels",
    "LAB": "Lab colors",
}
_NEVER_LISTED = ("thumbs.db", "desktop.ini")  # hidden where they come from
_PLAIN_SUFFIX = re.compile(r"\.\w{1,8}", re.ASCII)
_SHOWN_KINDS = 8
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRIP = 1 << 22  # pixels that are converted at once: the largest pictures must fit in memory


class ImageError(UserError):
    """A picture that cannot be read or written; the message names its file."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded picture, upright.

    Attributes:
        rgb: what is seen, uint8 of shape (H, W, 3); raw also where `alpha` hides it.
        alpha: opacity, uint8 of shape (H, W), or None where the file has none.
        grey: whether the file has a single colour channel.
        format: the format of the file, which its name may belie.
        profile: the ICC profile that `rgb` is meant in, or None.
        lost: what of the file's pixels is not here, in words; empty if nothing is.
        extras: what else the file says, as options of Pillow's `save`: EXIF and XMP as they stand
            in the file, dpi, the comment of a JPEG, the texts and color chunks of a PNG.
    """

    rgb: UInt8
    alpha: UInt8 | None = None
    grey: bool = False
    format: Format = "PNG"
    profile: bytes | None = None
    lost: str = ""
    extras: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def to_uint8(values: npt.NDArray[np.floating[Any]]) -> UInt8:
    """Return values in [-1, 1] as grey levels in 0..255, rounded; what lies outside is clipped."""
    return np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)


def read_picture(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as a person sees it.

    The size is read from the header and judged before any pixel is decoded. Of an animation the
    first frame is read, and of a TIFF the first page; 16-bit grey is scaled to 8 bits, CMYK and
    palettes become RGB, and the EXIF orientation is applied.

    Args:
        path: a JPEG, PNG, BMP, WebP, TIFF or AVIF file, whatever its suffix.
        max_pixels: the most pixels (width x height) that are decoded.

    Returns:
        The picture.

    Raises:
        ImageError: If the file is missing, no picture, damaged or over a limit.
    """
    path = Path(path)
    if path.is_fifo():  # which would be waited for
        raise ImageError(f"{path}: a pipe, not a file")
    try:
        with path.open("rb") as file:
            return _decode(path, file, max_pixels)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {reason_of(error)}") from error


def read_rgb(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> UInt8:
    """Read a picture as colours alone, laid over white where it is transparent.

    Args:
        path: as for `read_picture`.
        max_pixels: as for `read_picture`.

    Returns:
        RGB, uint8 of shape (H, W, 3).

    Raises:
        ImageError: As `read_picture`.
    """
    return _over(read_picture(path, max_pixels), background=255)


def read_mask(
    path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS, invert: bool = False
) -> UInt8:
    """Read a mask: lighter than mid-grey is missing, anything else, and transparency, is known.

    Args:
        path: as for `read_picture`.
        max_pixels: as for `read_picture`.
        invert: whether what is darker than mid-grey is missing instead.

    Returns:
        1 where the picture is missing and 0 where it is known, uint8 of shape (H, W).

    Raises:
        ImageError: As `read_picture`.
    """
    return (read_levels(path, max_pixels, invert) > MID_GREY).astype(np.uint8)


def read_levels(
    path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS, invert: bool = False
) -> UInt8:
    """Read the grey levels of a mask, of which those above `MID_GREY` are missing.

    A level is the luma (ITU-R 601) of a color, and 0 where the mask is transparent. Where a file
    has only the levels 0 and 1, they are read as 0 and 255.

    Args:
        path: as for `read_picture`.
        max_pixels: as for `read_picture`.
        invert: whether dark and light change places; what is transparent stays 0.

    Returns:
        Levels, uint8 of shape (H, W).

    Raises:
        ImageError: As `read_picture`.
    """
    return levels_of(read_picture(path, max_pixels), invert)


def levels_of(picture: Picture, invert: bool = False) -> UInt8:
    """Return the grey levels of a mask that has been read, as `read_levels` does."""
    levels = _luma(_over(picture, background=255 if invert else 0))
    if levels.max(initial=0) == 1:
        levels *= 255
    return 255 - levels if invert else levels


def write_picture(path: str | os.PathLike[str], picture: Picture) -> str:
    """Write a picture in its own format, whole or not at all.

    PNG, BMP, WebP and TIFF keep every pixel; JPEG and AVIF are written at quality 95 without chroma
    subsampling. A grey picture is written as the luma of its `rgb`, on one channel where the format
    has such. JPEG and BMP have no alpha, so it is left out there. EXIF and XMP are written for an
    upright picture, and without the small pictures in them, which show what the picture was.

    Args:
        path: the file; its folder must exist.
        picture: what to write.

    Returns:
        What of its `extras` could not be written, in words; empty if all was.

    Raises:
        ImageError: If the file cannot be written.
    """
    image = _to_image(picture, None if picture.format in ("JPEG", "BMP") else picture.alpha)
    options = dict(_SAVE_OPTIONS[picture.format], format=picture.format)
    if picture.profile is not None:
        options["icc_profile"] = picture.profile
    extras, lost = upright_extras(picture.extras, picture.format, image.size)
    try:
        data, refused = encode_what_can_be(image, options, extras)
        atomic_write(path, data)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written: {reason_of(error)}") from error
    return ", ".join(lost + refused)


def from_pillow(image: Image.Image) -> Picture:
    """Return a Pillow image as a picture: its pixels as they lie, its profile and its dpi.

    Its EXIF, with the orientation in it, is not read.

    Args:
        image: of any mode that `read_picture` reads.

    Raises:
        ImageError: If its samples are of another kind, or it cannot be decoded.
    """
    _check_mode(image, "The image:")
    try:
        rgb, alpha, grey = _layers(image)
    except Exception as error:  # a file that Pillow has not decoded yet may be damaged
        raise ImageError(f"The image cannot be decoded: {reason_of(error)}") from error
    extras = {"dpi": image.info["dpi"]} if "dpi" in image.info else {}
    return Picture(rgb, alpha, grey, profile=_profile(image), extras=extras)


def to_pillow(picture: Picture) -> Image.Image:
    """Return a picture as a Pillow image of mode L, LA, RGB or RGBA, with its profile and dpi."""
    image = _to_image(picture, picture.alpha)
    if picture.profile is not None:
        image.info["icc_profile"] = picture.profile
    if "dpi" in picture.extras:
        image.info["dpi"] = picture.extras["dpi"]
    return image


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Lend a temporary name beside `path`, and rename it to `path` on success.

    Args:
        path: the file to appear at the end; its folder must exist.

    Yields:
        A path with the suffix of `path`, to write to. It is removed if the block fails.
    """
    path = Path(path)
    temporary = temporary_name(path.parent, path.suffix)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes to a file, whole or not at all, even if the power fails.

    Args:
        path: the file; its folder must exist.
        data: its new content.

    Raises:
        OSError: If it cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def find_images(folder: str | os.PathLike[str], tell: Tell | None = None) -> list[Path]:
    """List the pictures of a folder and the folders below, hidden ones left out.

    Args:
        folder: where to look.
        tell: called with a line that says which other files there are, by kind, if there are any.

    Returns:
        Files with one of `SUFFIXES`, in any case, sorted by their POSIX path below `folder`.

    Raises:
        UserError: If `folder` is missing, no folder, or has no picture.
        OSError: If it or a folder below cannot be read.
    """
    return [Path(folder, name) for name in list_images(folder, tell)]


def list_images(folder: str | os.PathLike[str], tell: Tell | None = None) -> list[str]:
    """List the pictures of a folder as `find_images` does, a million of them in seconds.

    Linked folders are followed. One that was listed already is not listed again, so that links in a
    circle come to an end; one that lies in `folder` itself keeps the name that it has there.

    Args:
        folder: as for `find_images`.
        tell: as for `find_images`.

    Returns:
        POSIX paths below `folder`, sorted.

    Raises:
        UserError: As `find_images`.
        OSError: As `find_images`.
    """
    folder = Path(folder)
    if not folder.exists():
        raise UserError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder")
    found: list[str] = []
    others: Counter[str] = Counter()
    for parent, names in _walk(folder):
        below = Path(parent).relative_to(folder).as_posix()
        place = "" if below == "." else f"{below}/"
        for name in names:
            lower = name.lower()
            if name.startswith(".") or lower in _NEVER_LISTED:
                continue
            if lower.endswith(SUFFIXES):
                found.append(place + name)
            else:
                others[Path(lower).suffix] += 1
    known = ", ".join(SUFFIXES)
    if not found:
        beside = f"; found {_kinds(others)}" if others else ""
        raise UserError(f"{folder}: no picture in it (looked for {known}{beside})")
    if others and tell:
        tell(f"{folder}: left out {_kinds(others)}; read are {known}")
    return sorted(found)


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder with the names of its files, linked ones after those in `folder` itself."""
    starts, seen = deque([folder]), set()
    while starts:
        for parent, folders, names in os.walk(starts.popleft(), onerror=_raise):  # not into links
            status = Path(parent).stat()
            place = status.st_dev, status.st_ino
            if place in seen:
                folders.clear()
                continue
            seen.add(place)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = (Path(parent, name) for name in folders)
            starts += (path for path in below if path.is_symlink())
            yield parent, names


def _raise(error: OSError) -> None:
    raise error


def _kinds(counts: Counter[str]) -> str:
    """Say how many files of which suffix there are, the most frequent ones by name."""
    kinds: Counter[str] = Counter()
    for suffix, count in counts.items():
        kinds[suffix if _PLAIN_SUFFIX.fullmatch(suffix) else "other"] += count
    named = sorted(kinds.keys() - {"other"}, key=lambda kind: (-kinds[kind], kind))[:_SHOWN_KINDS]
    parts = [f"{kinds[kind]} {kind}" for kind in named]
    if rest := kinds.total() - sum(kinds[kind] for kind in named):
        parts.append(f"{rest} other")
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"{listed} file{'s' * (kinds.total() > 1)}"


def _decode(path: Path, file: io.BufferedReader, max_pixels: int) -> Picture:
    """Decode an open file, its header first."""
    if excess := excess_of(file):
        raise ImageError(f"{path}: {excess}; save it anew")
    try:
        with pillow_unguarded():
            image: Image.Image = Image.open(file, formats=_READ)
    except Exception as error:  # Pillow answers a bad header with nearly any exception
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
    try:
        format = _FORMATS[image.format]
        if isinstance(image, TiffImageFile) and (excess := excess_of_tiff(image, max_pixels)):
            raise ImageError(f"{path}: {excess}; save it anew")
        lost = _lost(image, file)
        # Of a TIFF Pillow reads more of the header now, and judges the size again.
        with pillow_unguarded() if format == "TIFF" else contextlib.nullcontext():
            image.load()
        extras = read_extras(image, file)
        image = image if format == "TIFF" else _upright(image)  # a TIFF is loaded upright
        rgb, alpha, grey = _layers(image)
    except ImageError:
        raise
    except Exception as error:  # and a damaged body likewise
        raise ImageError(f"{path}: damaged picture: {reason_of(error)}") from error
    return Picture(rgb, alpha, grey, format, _profile(image), lost, extras)


def _to_image(picture: Picture, alpha: UInt8 | None) -> Image.Image:
    image = Image.fromarray(_luma(picture.rgb) if picture.grey else picture.rgb)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    return image


def _check_mode(image: Image.Image, subject: str) -> None:
    """Refuse samples that 8 bits cannot hold."""
    if image.mode in _UNREADABLE:
        kind = _UNREADABLE[image.mode]
        raise ImageError(f"{subject} its samples are {kind}; save it with 8 or 16 bits a channel")


def _lost(image: Image.Image, file: io.BufferedReader) -> str:
    """Say what of a file a picture of 8 bits has no place for."""
    lost = []
    # The pages of a TIFF are not counted, for each would have to be read; and the other frames of
    # an MPO are views for other uses.
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
    """Apply the EXIF orientation; damaged EXIF is no reason to refuse a photograph."""
    try:
        with pillow_unguarded():
            check_exif(image.info.get("exif", b""))
            method = _UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return image
    return image if method is None else image.transpose(method)


def _layers(image: Image.Image) -> tuple[UInt8, UInt8 | None, bool]:
    """Split a Pillow image into RGB, alpha and whether it is grey."""
    if image.mode.startswith("I"):
        return _layers_16_bit(image)
    shape = image.height, image.width
    rgb = np.empty((*shape, 3), np.uint8)
    alpha = np.empty(shape, np.uint8) if image.has_transparency_data else None
    for rows in _strips(*shape):
        part = _part(image, rows).convert("RGB" if alpha is None else "RGBA")
        pixels = np.asarray(part)
        rgb[rows] = pixels[..., :3]
        if alpha is not None:
            alpha[rows] = pixels[..., 3]
    return rgb, alpha, image.mode in _GREY_MODES


def _layers_16_bit(image: Image.Image) -> tuple[UInt8, UInt8 | None, bool]:
    """Scale 16-bit grey to 8 bits; Pillow would clip it at 255."""
    shape = image.height, image.width
    tags = getattr(image, "tag_v2", {})
    white = (1 << max(tags.get(ExifTags.Base.BitsPerSample, (16,)))) - 1
    white_is_zero = tags.get(ExifTags.Base.PhotometricInterpretation) == 0
    rgb = np.empty((*shape, 3), np.uint8)
    transparent = image.info.get("transparency")
    alpha = None if transparent is None else np.empty(shape, np.uint8)
    for rows in _strips(*shape):
        wide = np.asarray(_part(image, rows)).astype(np.uint32)
        rgb[rows] = ((wide * 255 + white // 2) // white)[..., None]
        if alpha is not None:
            alpha[rows] = np.where(wide == transparent, 0, 255)
    return 255 - rgb if white_is_zero else rgb, alpha, True


def _strips(height: int, width: int) -> Iterator[slice]:
    """Yield all rows, some at a time."""
    step = max(_STRIP // max(width, 1), 1)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _part(image: Image.Image, rows: slice) -> Image.Image:
    return image.crop((0, rows.start, image.width, rows.stop))


def _profile(image: Image.Image) -> bytes | None:
    """Return the ICC profile if it still describes the channels (one of CMYK does not)."""
    profile = image.info.get("icc_profile")
    # One that never fitted, such as sRGB in a grey JPEG, fits as it did.
    return profile if profile and profile[16:20] in (b"GRAY", b"RGB ") else None


def _over(picture: Picture, background: int) -> UInt8:
    """Lay a picture over a grey level."""
    if picture.alpha is None:
        return picture.rgb
    mixed = np.empty_like(picture.rgb)
    for rows in _strips(*picture.alpha.shape):
        alpha = picture.alpha[rows, :, None].astype(np.uint16)
        sums = picture.rgb[rows] * alpha + np.uint16(background) * (255 - alpha)
        mixed[rows] = (sums + 127) // 255
    return mixed


def _luma(rgb: UInt8) -> UInt8:
    """Return ITU-R 601 luma, shape (H, W); exact where the three channels are equal."""
    height, width, _ = rgb.shape
    luma = np.empty((height, width), np.uint8)
    for rows in _strips(height, width):
        luma[rows] = np.asarray(Image.fromarray(rgb[rows]).convert("L"))
    return luma
