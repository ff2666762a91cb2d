"""Learned perceptual image patch similarity."""

from __future__ import annotations

import functools
import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics import lpips_weights
from inpaint_tf.metrics._validate import UInt8, per_image
from neuralgym_lite.errors import UserError

_CACHE_BYTES = 128 << 20

Float = npt.NDArray[np.float64]


def lpips(
    truth: npt.NDArray[Any],
    result: npt.NDArray[Any],
    mask: npt.NDArray[Any] | None = None,
    network: str = "alex",
) -> npt.NDArray[np.float64]:
    """Return LPIPS v0.1, a distance between the features of a classification network.

    The differences of each feature map are averaged, and the averages added. With a mask, each map
    is enlarged to the size of the image (bilinearly, like the authors' `spatial` option) and
    averaged over the missing pixels. The known pixels around a hole still have an influence,
    because the receptive fields of the features include them.

    Images are not resized. The network runs on the CPU, even if there is a GPU. The features of
    recent images are cached, so that a truth is processed once for many results.

    Args:
        truth: uint8 RGB, (H, W, 3) or (B, H, W, 3), at least 31x31 pixels.
        result: like `truth`.
        mask: 1 = missing, 0 = known; (H, W), (H, W, 1) or (B, H, W, 1). If given, only the missing
            pixels count. Default: the whole image counts.
        network: "alex" (usual in publications) or "squeeze".

    Returns:
        One float64 from 0 up for each image, 0 for equal images; shape () or (B,).

    Raises:
        MissingWeightsError: If the weights are not on this machine.
        UserError: If the weights are not the published ones, a dtype or a shape is wrong, or a mask
            has no missing pixel.

    Reference:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        CVPR 2018.

    Example:
        >>> # Needs the weights: `inpaint-tf weights get lpips-alex`.
        >>> truth = np.full((64, 64, 3), 100, np.uint8)
        >>> inpaint_tf.metrics.lpips(truth, truth)  # doctest: +SKIP
        array(0.)
    """
    path = lpips_weights.find(f"lpips-{network}")
    return per_image(_load(network, path).distance, truth, result, mask)


@functools.lru_cache(maxsize=2)
def _load(network: str, path: Path) -> Lpips:
    return Lpips(network, lpips_weights.read(f"lpips-{network}", path))


class Lpips:
    """LPIPS of one pair of images at a time, which is faster than batches on a CPU.

    Args:
        network: "alex" or "squeeze".
        weights: arrays by name, as for `LpipsModel`.
    """

    def __init__(self, network: str, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        # Imported here because TensorFlow takes seconds to load, and no other metric needs it.
        import keras

        from inpaint_tf.metrics.lpips_model import SMALLEST_SIDE, LpipsModel

        self.smallest_side = SMALLEST_SIDE
        with keras.device("cpu:0"):
            model = LpipsModel(network, weights)
        self._features = _compiled(model.features)
        self._compare = _compiled(model.compare)
        self._cache = _Cache(_CACHE_BYTES)

    def distance(self, truth: UInt8, result: UInt8, missing: UInt8 | None) -> float:
        """Return the distance of two images (H, W, 3), in `missing` (H, W) if given."""
        height, width, channels = truth.shape
        if channels != 3 or min(height, width) < self.smallest_side:
            raise UserError(
                f"LPIPS needs RGB pictures of at least {self.smallest_side}x{self.smallest_side} "
                f"pixels, got {height}x{width} with {channels} channels"
            )
        maps = self._maps(truth, result)
        if missing is None:
            return float(sum(each.mean() for each in maps))
        enlarged = [cv2.resize(each, (width, height)) for each in maps]
        return float(sum(each[missing == 1].mean() for each in enlarged))

    def _maps(self, truth: UInt8, result: UInt8) -> list[Float]:
        keys = _key(truth), _key(result)
        maps = self._cache.get(keys)
        if maps is None:
            first = self._cache.get(keys[0])
            if first is None:
                first = self._cache.put(keys[0], self._features(truth[None]))
            second = first if keys[0] == keys[1] else self._features(result[None])
            compared = self._compare(first, second)
            maps = self._cache.put(keys, [np.asarray(each[0], np.float64) for each in compared])
        return maps


def _key(picture: UInt8) -> Hashable:
    return picture.shape, hashlib.blake2b(picture.data).digest()


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function to one graph for all sizes, if the backend is TensorFlow."""
    import keras

    def run(*arguments: Any) -> Any:
        # GPUs would round to ten bits, and scores would depend on the machine.
        with keras.device("cpu:0"):
            return function(*arguments)

    if keras.backend.backend() != "tensorflow":
        return run
    import tensorflow as tf

    return tf.function(run, reduce_retracing=True)


class _Cache:
    """A least-recently-used cache of lists of arrays that takes at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.values: OrderedDict[Hashable, list[Any]] = OrderedDict()
        self.lock = threading.Lock()

    def get(self, key: Hashable) -> list[Any] | None:
        with self.lock:
            if key in self.values:
                self.values.move_to_end(key)
            return self.values.get(key)

    def put(self, key: Hashable, value: list[Any]) -> list[Any]:
        with self.lock:
            self.held += _size(value) - _size(self.values.pop(key, []))
            self.values[key] = value
            while self.held > self.limit:
                self.held -= _size(self.values.popitem(last=False)[1])
        return value


def _size(arrays: list[Any]) -> int:
    return sum(4 * math.prod(array.shape) for array in arrays)
