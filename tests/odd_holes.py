"""Masks of 120x171 pixels with holes of all kinds, 1 where missing."""

from __future__ import annotations

import cv2
import numpy as np

HEIGHT, WIDTH = 120, 171


def boxes(*holes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for top, left, height, width in holes:
        mask[top : top + height, left : left + width] = 1
    return mask


def strokes() -> np.ndarray:
    mask = boxes((30, 0, 1, WIDTH), (10, 50, 100, 3))
    return cv2.line(mask, (10, 100), (160, 5), 1, 5)


HOLES = {
    "middle": boxes((30, 40, 60, 80)),
    "odd sides": boxes((31, 40, 61, 79)),
    "at the top": boxes((0, 40, 50, 60)),
    "in a corner": boxes((60, 90, 60, 81)),
    "one pixel from the border": boxes((1, 40, 50, 60)),
    "three pixels from the border": boxes((40, 3, 50, 60)),
    "from side to side": boxes((30, 0, 50, WIDTH)),
    "half": boxes((0, 0, HEIGHT, 80)),
    "a frame": 1 - boxes((40, 50, 40, 60)),
    "all but a pixel": 1 - boxes((50, 60, 1, 1)),
    "several": boxes((10, 10, 30, 40), (70, 80, 40, 30), (20, 120, 20, 20)),
    "close together": boxes((10, 10, 40, 40), (10, 52, 40, 40), (52, 10, 40, 40)),
    "a ring": boxes((20, 20, 70, 70)) - boxes((40, 40, 20, 20)),
    "a pixel": boxes((50, 60, 1, 1)),
    "two by two": boxes((50, 60, 2, 2)),
    "strokes": strokes(),
    "speckle": (np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.2).astype(np.uint8),
}
