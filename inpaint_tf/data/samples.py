"""Crops of scikit-image's photographs: a data set that needs no download."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import itertools
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inpaint_tf.data.photo_set import PhotoSet
from neuralgym_lite.errors import UserError
from neuralgym_lite.image_folders import Log
from neuralgym_lite.images import read_rgb

# The color photographs in scikit-image's wheel. Left out are images that do not show a scene
# (microscopy, a retina, the deep field, drawings), and the right motorcycle, because it shows the
# scene of the left one.
PHOTOGRAPHS = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "motorcycle": "motorcycle_left.png",
    "rocket": "rocket.jpg",
}
# Photographs whose left third is held out, not the right one: chelsea's right is out of focus, so
# that any method fills holes well.
TESTED_ON_THE_LEFT = frozenset({"chelsea"})
TRAIN_CROPS = 96
TEST_CROPS = 10
SMALLEST_CROP = 0.4


def open_samples(data_dir: Path | None = None, log: Log | None = None) -> PhotoSet:
    """Open the crops of scikit-image's photographs.

    One third of each photograph is held out, at the right or left. Test crops are inside of it and
    train crops are outside, so that no pixel is in both. A key such as `chelsea#0007` is the
    photograph and a number; numbers from 96 up are test crops. Consecutive keys are from different
    photographs.
    """
    if data_dir is not None:
        raise UserError(
            f"Data set 'samples' takes no `data_dir` (received '{data_dir}'); "
            "for your own images use `dataset=folder`."
        )
    numbers = range(TRAIN_CROPS + TEST_CROPS)
    keys = tuple(f"{name}#{number:04d}" for number, name in itertools.product(numbers, PHOTOGRAPHS))
    trains = TRAIN_CROPS * len(PHOTOGRAPHS)
    samples = SamplePhotos("samples", None, keys[:trains], keys[trains:])
    for key in PHOTOGRAPHS:
        if not samples.path(key).is_file():
            raise UserError(
                f"'{samples.path(key)}' is missing: scikit-image is installed without its "
                "photographs; run 'pip install --force-reinstall scikit-image'."
            )
    return samples


@dataclass(frozen=True)
class SamplePhotos(PhotoSet):
    """Square crops whose position and size are a function of their key."""

    def path(self, key: str) -> Path:
        """Return the file of the photograph of the crop `key`."""
        return _photograph_folder() / PHOTOGRAPHS[key.partition("#")[0]]

    def load_full(self, key: str) -> np.ndarray:
        """Return a crop at the resolution of the photograph."""
        photograph = _read(self.path(key))
        top, left, height, width = crop_box(key, *photograph.shape[:2])
        return photograph[top : top + height, left : left + width].copy()


def crop_box(key: str, height: int, width: int) -> tuple[int, int, int, int]:
    """Return the position of a crop in its photograph.

    Args:
        key: a key such as `chelsea#0007`; position and size are drawn from its SHA-256.
        height: height of the photograph in pixels.
        width: width of the photograph in pixels.

    Returns:
        A square box (top, left, height, width). Its side is 0.4 to 1 times the shorter side of its
        region: the held-out third of the photograph for test keys, the rest for train keys.
    """
    name, _, number = key.partition("#")
    is_test = int(number) >= TRAIN_CROPS
    on_the_left = is_test == (name in TESTED_ON_THE_LEFT)
    border = width // 3 if name in TESTED_ON_THE_LEFT else width - width // 3
    start, stop = (0, border) if on_the_left else (border, width)
    words = struct.unpack(">3Q", hashlib.sha256(key.encode()).digest()[:24])
    # 53 bits, the precision of a float, so that the fractions are below 1.
    scale, down, right = ((word >> 11) / 2**53 for word in words)
    side = round(min(height, stop - start) * (SMALLEST_CROP + (1 - SMALLEST_CROP) * scale))
    top = int(down * (height - side + 1))
    left = start + int(right * (stop - start - side + 1))
    return top, left, side, side


def _photograph_folder() -> Path:
    # The functions of skimage.data would download missing files.
    return Path(str(importlib.resources.files("skimage"))) / "data"


@functools.lru_cache(maxsize=len(PHOTOGRAPHS))
def _read(path: Path) -> np.ndarray:
    return read_rgb(path)
