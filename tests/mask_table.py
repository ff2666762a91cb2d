"""Files of masks of all kinds, and what each of them marks: 1 is missing, 0 is known.

The level of a pixel is the luma (ITU-R 601) of its color, laid over black where it is transparent.
Where a file has no level above 1, its levels are 0 and 1, and 1 counts as 255. Levels above 127
are missing.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 21, 30  # no multiples of 8
HOLE = (slice(5, 14), slice(7, 20))  # not on the grid of a JPEG's blocks

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


class MaskFile(NamedTuple):
    """A file of a mask, and how it is to be read.

    Attributes:
        name: what kind of mask it is.
        make: returns the bytes of the file, a PNG or JPEG.
        expected: 1 where missing, uint8 of shape (HEIGHT, WIDTH).
        level: the highest level in it, before 1 counts as 255.
    """

    name: str
    make: Callable[[], bytes]
    expected: np.ndarray
    level: int


def hole(inside: int = 1, outside: int = 0) -> np.ndarray:
    values = np.full((HEIGHT, WIDTH), outside, np.uint8)
    values[HOLE] = inside
    return values


def grey(inside: int, outside: int = 0) -> Image.Image:
    return Image.fromarray(hole(inside, outside))


def color(inside: tuple[int, ...], outside: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(
        np.dstack([hole(*levels) for levels in zip(inside, outside, strict=True)])
    )


def grey_alpha(inside: tuple[int, int], outside: tuple[int, int]) -> Image.Image:
    return Image.merge("LA", color(inside + (0,), outside + (0,)).split()[:2])


def palette(inside: tuple[int, ...], outside: tuple[int, ...], index: int = 1) -> Image.Image:
    """Return an image of the indices 0 and 1; `index` is that of the hole."""
    colors = {index: inside, 1 - index: outside}
    image = Image.fromarray(hole(index, 1 - index)).convert("L")
    image.putpalette([*colors[0], *colors[1]])
    return image


def two_tone(image: Image.Image) -> Image.Image:
    return image.convert("1", dither=Image.Dither.NONE)


def wide(inside: int) -> Image.Image:
    return Image.fromarray(hole().astype(np.uint16) * np.uint16(inside))


def steps() -> np.ndarray:
    """Return the levels 0, 1, 126, 127, 128, 129, 254 and 255, in columns, and 0 beside them."""
    levels = np.zeros((HEIGHT, WIDTH), np.uint8)
    levels[:, 2:10] = [0, 1, 126, 127, 128, 129, 254, 255]
    return levels


def png(image: Image.Image, **options: object) -> bytes:
    return _encoded(image, format="PNG", **options)


def jpeg(image: Image.Image, quality: int) -> bytes:
    return _encoded(image, format="JPEG", quality=quality)


def _encoded(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


BOX, NOTHING, ALL = hole(), hole(0), hole(1, 1)

MASKS = (
    MaskFile("grey 0 and 255", lambda: png(grey(255)), BOX, 255),
    MaskFile("grey 0 and 1", lambda: png(grey(1)), BOX, 1),
    MaskFile("grey 0 and 2", lambda: png(grey(2)), NOTHING, 2),
    MaskFile("grey 0 and 127", lambda: png(grey(127)), NOTHING, 127),
    MaskFile("grey 0 and 128", lambda: png(grey(128)), BOX, 128),
    MaskFile(
        "grey in steps",
        lambda: png(Image.fromarray(steps())),
        (steps() >= 128).astype(np.uint8),
        255,
    ),
    MaskFile("grey, all 0", lambda: png(grey(0)), NOTHING, 0),
    MaskFile("grey, all 1", lambda: png(grey(1, 1)), ALL, 1),
    MaskFile("grey, all 255", lambda: png(grey(255, 255)), ALL, 255),
    MaskFile("1 bit", lambda: png(two_tone(grey(255))), BOX, 255),
    MaskFile("1 bit, black on white", lambda: png(two_tone(grey(0, 255))), 1 - BOX, 255),
    MaskFile("palette, white on black", lambda: png(palette(WHITE, BLACK)), BOX, 255),
    MaskFile("palette, white first", lambda: png(palette(WHITE, BLACK, 0)), BOX, 255),
    MaskFile("palette, black on white", lambda: png(palette(BLACK, WHITE)), 1 - BOX, 255),
    MaskFile("palette of levels 0 and 1", lambda: png(palette((1, 1, 1), BLACK)), BOX, 1),
    MaskFile("palette of labels", lambda: png(palette((128, 0, 0), BLACK)), NOTHING, 38),
    MaskFile(
        "palette, white on transparent white",
        lambda: png(palette(WHITE, WHITE), transparency=bytes([0, 255])),
        BOX,
        255,
    ),
    MaskFile("white on black", lambda: png(color(WHITE, BLACK)), BOX, 255),
    MaskFile("colors 0 and 1", lambda: png(color((1, 1, 1), BLACK)), BOX, 1),
    MaskFile("red on black", lambda: png(color(RED, BLACK)), NOTHING, 76),
    MaskFile("green on black", lambda: png(color((0, 255, 0), BLACK)), BOX, 150),
    MaskFile("yellow on blue", lambda: png(color((255, 255, 0), (0, 0, 255))), BOX, 226),
    MaskFile("black on white", lambda: png(color(BLACK, WHITE)), 1 - BOX, 255),
    MaskFile(
        "grey with alpha, white on transparent white",
        lambda: png(grey_alpha((255, 255), (255, 0))),
        BOX,
        255,
    ),
    MaskFile("grey with alpha, 0 and 1", lambda: png(grey_alpha((1, 255), (0, 255))), BOX, 1),
    MaskFile(
        "white on transparent white",
        lambda: png(color((*WHITE, 255), (*WHITE, 0))),
        BOX,
        255,
    ),
    MaskFile(
        "white on transparent black",
        lambda: png(color((*WHITE, 255), (*BLACK, 0))),
        BOX,
        255,
    ),
    MaskFile(
        "white of alpha 100 on transparent",
        lambda: png(color((*WHITE, 100), (*BLACK, 0))),
        NOTHING,
        100,
    ),
    MaskFile(
        "white of alpha 200 on transparent",
        lambda: png(color((*WHITE, 200), (*BLACK, 0))),
        BOX,
        200,
    ),
    MaskFile(
        "black on transparent black",
        lambda: png(color((*BLACK, 255), (*BLACK, 0))),
        NOTHING,
        0,
    ),
    MaskFile("16 bits, 0 and 65535", lambda: png(wide(65535)), BOX, 255),
    MaskFile("16 bits, 0 and 32767", lambda: png(wide(32767)), NOTHING, 127),
    MaskFile("16 bits, 0 and 32768", lambda: png(wide(32768)), BOX, 128),
    MaskFile("JPEG in grey, with rings", lambda: jpeg(grey(255), 60), BOX, 255),
    MaskFile("JPEG in colors, with rings", lambda: jpeg(color(WHITE, BLACK), 60), BOX, 255),
)
