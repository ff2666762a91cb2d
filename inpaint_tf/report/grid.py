"""Images in a grid with titles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from neuralgym_lite.errors import UserError, printable

_PAPER = (255, 255, 255)
_INK = (32, 32, 32)
_MARGIN = 6
_SMALLEST_CELL = 128


def image_grid(
    rows: Sequence[Sequence[npt.NDArray[np.uint8]]],
    column_titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    gap: int = 4,
) -> npt.NDArray[np.uint8]:
    """Lay out images in rows and columns, with titles above and to the left.

    All cells have the size of the largest image. Smaller images are enlarged without smoothing.

    Args:
        rows: images, uint8 RGB (H, W, 3), of any sizes. The last cells of a short row are empty.
        column_titles: one title for each column.
        row_titles: one title for each row.
        gap: width of the white gaps in pixels.

    Returns:
        uint8 RGB, shape (H, W, 3).

    Raises:
        UserError: If there is no image, an image is not uint8 RGB, or the number of titles is
            wrong.
    """
    pictures = [picture for row in rows for picture in row]
    columns = max(map(len, rows), default=0)
    _check_pictures(pictures)
    for what, count, given in (
        ("columns", columns, column_titles),
        ("rows", len(rows), row_titles),
    ):
        if given is not None and len(given) != count:
            raise UserError(f"{count} {what} need as many titles, got {len(given)}")
    column_titles = column_titles and [printable(title) for title in column_titles]
    row_titles = row_titles and [printable(title) for title in row_titles]
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    font = ImageFont.load_default(size=max(10, min(height, width) // 10))

    left = gap + max((_text_width(font, title) + _MARGIN for title in row_titles or ()), default=0)
    top = gap + (int(font.getbbox("Áy")[3]) + _MARGIN if column_titles else 0)
    # Columns are as wide as the widest title.
    titles = column_titles or ()
    stride = gap + max(width, *(_text_width(font, title) for title in titles), 0)
    canvas = Image.new("RGB", (left + columns * stride, top + len(rows) * (height + gap)), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for column, title in enumerate(titles):
        center = left + column * stride + (stride - gap) / 2
        draw.text((center, top - _MARGIN / 2), title, fill=_INK, font=font, anchor="md")
    for index, row in enumerate(rows):
        y = top + index * (height + gap)
        if row_titles:
            middle = y + height / 2
            draw.text((_MARGIN, middle), row_titles[index], fill=_INK, font=font, anchor="lm")
        for column, picture in enumerate(row):
            cell = Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)
            canvas.paste(cell, (left + column * stride + (stride - gap - width) // 2, y))
    return np.asarray(canvas)


def named_grid(
    rows: Sequence[Mapping[str, npt.NDArray[np.uint8]]],
    columns: Sequence[str],
    column_titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
) -> npt.NDArray[np.uint8]:
    """Lay out images by name, as `image_grid` does, one column for each name.

    Images smaller than 128 pixels are enlarged, so that details are visible. An image that a row
    does not have is white. The titles of the columns are their names by default.
    """
    cells = []
    for row in rows:
        some = next(iter(row.values()))
        zoom = -(-_SMALLEST_CELL // len(some))
        blank = np.full_like(some, 255)
        cells.append([row.get(name, blank).repeat(zoom, 0).repeat(zoom, 1) for name in columns])
    return image_grid(cells, column_titles or columns, row_titles)


def _check_pictures(pictures: Sequence[npt.NDArray[Any]]) -> None:
    if not pictures:
        raise UserError("a grid needs at least one picture, got none")
    for picture in pictures:
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
            raise UserError(
                f"a grid takes uint8 pictures (H, W, 3), got {picture.dtype} {picture.shape}"
            )


def _text_width(font: Any, text: str) -> int:
    return int(np.ceil(font.getlength(text)))
