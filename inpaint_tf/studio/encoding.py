"""Pictures as bytes: files in their own format, and PNGs for a page."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from inpaint_tf.inference.conversion import UInt8
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import ImageError, Picture, to_pillow

_FAST = 1  # zlib level: a page is near, and waits
MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "BMP": "image/bmp",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}


def encoded(picture: Picture) -> bytes:
    """Return the file that `inpaint-tf fill` would write.

    Raises:
        ImageError: if it cannot be encoded.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture")
        write_picture(path, picture)
        return path.read_bytes()


def media_type_of(data: bytes) -> str:
    """Return the media type of an encoded picture, by its first bytes."""
    with Image.open(io.BytesIO(data)) as image:
        return MEDIA_TYPES.get(image.format or "", "image/jpeg")  # MPO is a JPEG


def shown(picture: Picture) -> bytes:
    """Return a PNG of what a picture looks like: its pixels and color profile."""
    image = to_pillow(picture)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=_FAST, icc_profile=image.info.get("icc_profile"))
    return buffer.getvalue()


def mask_png(mask: UInt8) -> bytes:
    """Return a mask of 0 and 1 as the file that `--mask` takes: white where it is missing."""
    return cv2.imencode(".png", mask * np.uint8(255))[1].tobytes()


def read_mask_png(data: bytes, most_pixels: int) -> UInt8:
    """Return the mask of a page, 1 where it is opaque and white.

    Raises:
        ImageError: if it is no PNG, or has too many pixels.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        if image.width * image.height > most_pixels:
            raise ImageError(f"The mask has {image.width}x{image.height} pixels: too many")
        return (np.asarray(image.convert("RGBA"))[..., 3] > 127).astype(np.uint8)
    except (OSError, ValueError, SyntaxError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError("The mask is no readable PNG") from error
