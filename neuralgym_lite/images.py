"""Photographs in and out: every file decodes to what a person sees, and no file is half-written."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import temporary_name

UInt8: TypeAlias = npt.NDArray[np.uint8]
Format: TypeAlias = Literal["PNG", "JPEG", "BMP", "WEBP"]

MAX_PIXELS = 64_000_000
MID_GREY = 127  # of a mask: higher levels are missing
MAX_SIDE = 1 << 20  # as in OpenCV
MAX_SCANS = 500  # of a progressive JPEG: each is a pass over all pixels, of however few bytes
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

_FORMATS: dict[str | None, Format] = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "MPO": "JPEG",  # phones append a second view to a JPEG; the first one is the photograph
    "BMP": "BMP",
    "WEBP": "WEBP",
}
_SAVE_OPTIONS: dict[Format, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "BMP": {},
    "WEBP": {"lossless": True, "exact": True},
}
_GREY_MODES = ("1", "L", "LA")
_ORIENTATION_TAG = 0x0112
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
_LOCK = threading.Lock()


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
    """

    rgb: UInt8
    alpha: UInt8 | None = None
    grey: bool = False
    format: Format = "PNG"
    profile: bytes | None = None
    lost: str = ""


def to_uint8(values: npt.NDArray[np.floating[Any]]) -> UInt8:
    """Return values in [-1, 1] as grey levels in 0..255, rounded; what lies outside is clipped."""
    return np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)


def read_picture(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as a person sees it.

    The size is read from the header and judged before any pixel is decoded. Of an animation the
    first frame is read; 16-bit grey is scaled to 8 bits, CMYK and palettes become RGB, and the
    EXIF orientation is applied.

    Args:
        path: a JPEG, PNG, BMP or WebP file, whatever its suffix.
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
    levels = _luma(_over(read_picture(path, max_pixels), background=255 if invert else 0))
    if levels.max() == 1:
        levels *= 255
    return 255 - levels if invert else levels


def write_picture(path: str | os.PathLike[str], picture: Picture) -> None:
    """Write a picture in its own format, whole or not at all.

    PNG, BMP and WebP keep every pixel; JPEG is written at quality 95 without chroma subsampling.
    A grey picture is written as the luma of its `rgb`, on one channel where the format has such.
    JPEG and BMP have no alpha, so it is left out there.

    Args:
        path: the file; its folder must exist.
        picture: what to write.

    Raises:
        ImageError: If the file cannot be written.
    """
    image = Image.fromarray(_luma(picture.rgb) if picture.grey else picture.rgb)
    if picture.alpha is not None and picture.format in ("PNG", "WEBP"):
        image.putalpha(Image.fromarray(picture.alpha))
    options = dict(_SAVE_OPTIONS[picture.format])
    if picture.profile is not None:
        options["icc_profile"] = picture.profile
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=picture.format, **options)
        atomic_write(path, buffer.getvalue())
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written: {reason_of(error)}") from error


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


def _raise(error: OSError) -> None:
    raise error


def find_images(folder: str | os.PathLike[str]) -> list[Path]:
    """List the pictures of a folder and the folders below, hidden ones left out.

    Args:
        folder: where to look.

    Returns:
        Files with one of `SUFFIXES`, in any case, sorted by their POSIX path below `folder`.

    Raises:
        UserError: If `folder` is missing, no folder, or has no picture.
        OSError: If it or a folder below cannot be read.
    """
    folder = Path(folder)
    if not folder.exists():
        raise UserError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder")
    found = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(parent, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    if not found:
        raise UserError(f"{folder}: no picture in it (looked for {', '.join(SUFFIXES)})")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _decode(path: Path, file: io.BufferedReader, max_pixels: int) -> Picture:
    """Decode an open file, its header first."""
    try:
        with _pillow_unguarded():
            image: Image.Image = Image.open(file, formats=("PNG", "JPEG", "BMP", "WEBP"))
    except Exception as error:  # Pillow answers a bad header with nearly any exception
        raise ImageError(f"{path}: not a readable JPEG, PNG, BMP or WebP picture") from error
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{path}: {width}x{height} pixels are over the limit of {max_pixels / 1e6:g} "
            "megapixels; raise it with --max-megapixels"
        )
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f"{path}: {width}x{height} pixels: no side may have more than {MAX_SIDE} pixels"
        )
    if image.info.get("progressive") and _scans(file) > MAX_SCANS:
        raise ImageError(f"{path}: a JPEG of more than {MAX_SCANS} scans; save it anew")
    try:
        format = _FORMATS[image.format]
        lost = _lost(image, file)
        image.load()
        image = _upright(image)
        rgb, alpha, grey = _layers(image)
    except Exception as error:  # and a damaged body likewise
        raise ImageError(f"{path}: damaged picture: {reason_of(error)}") from error
    return Picture(rgb, alpha, grey, format, _profile(image, grey), lost)


def _lost(image: Image.Image, file: io.BufferedReader) -> str:
    """Say what of a file a picture of 8 bits has no place for."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # whose other frames are views for other uses
        return f"its first frame of {frames} alone is kept"
    if image.format == "PNG" and _bits_of_png(file) == 16:
        return "its 16 bits a channel become 8"
    return ""


def _bits_of_png(file: io.BufferedReader) -> int:
    """Return the bits of a channel, which stand in the header; Pillow tells them of grey alone."""
    place = file.tell()
    file.seek(24)
    bits = file.read(1)[0]
    file.seek(place)
    return bits


def _scans(file: io.BufferedReader) -> int:
    """Return how many scans a JPEG has, or a few more: thumbnails count as well."""
    place = file.tell()
    file.seek(0)
    count = file.read().count(b"\xff\xda")
    file.seek(place)
    return count


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; damaged EXIF is no reason to refuse a photograph."""
    try:
        with _pillow_unguarded():
            method = _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
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
    rgb = np.empty((*shape, 3), np.uint8)
    transparent = image.info.get("transparency")
    alpha = None if transparent is None else np.empty(shape, np.uint8)
    for rows in _strips(*shape):
        wide = np.asarray(_part(image, rows)).astype(np.uint32)
        rgb[rows] = ((wide * 255 + 32767) // 65535)[..., None]
        if alpha is not None:
            alpha[rows] = np.where(wide == transparent, 0, 255)
    return rgb, alpha, True


def _strips(height: int, width: int) -> Iterator[slice]:
    """Yield all rows, some at a time."""
    step = max(_STRIP // max(width, 1), 1)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _part(image: Image.Image, rows: slice) -> Image.Image:
    return image.crop((0, rows.start, image.width, rows.stop))


def _profile(image: Image.Image, grey: bool) -> bytes | None:
    """Return the ICC profile if it still describes the decoded channels (one of CMYK does not)."""
    profile = image.info.get("icc_profile")
    if profile and profile[16:20] == (b"GRAY" if grey else b"RGB "):
        return profile
    return None


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


@contextlib.contextmanager
def _pillow_unguarded() -> Iterator[None]:
    """Silence Pillow and lift its pixel limit, which is not ours, for the block."""
    with _LOCK, warnings.catch_warnings():  # both are global to the process
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
