"""LPIPS once more, in NumPy and float64, and weights for small networks of its shape."""

from __future__ import annotations

import numpy as np
from layer_harness import random

SHIFT, SCALE = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
FIRES = range(2, 10)


def alex_weights(scale=1):
    """Make random weights; `scale` divides the number of channels."""
    sizes = {"conv1": (11, 3, 64), "conv2": (5, 64, 192), "conv3": (3, 192, 384)}
    sizes |= {"conv4": (3, 384, 256), "conv5": (3, 256, 256)}
    weights = _convolutions(sizes, scale)
    heads = (64, 192, 384, 256, 256)
    return weights | _heads(heads, scale)


def squeeze_weights(scale=1):
    """Make random weights; `scale` divides the number of channels."""
    squeezed = dict(zip(FIRES, (16, 16, 32, 32, 48, 48, 64, 64), strict=True))
    sizes, channels = {"conv1": (3, 3, 64)}, 64
    for fire, width in squeezed.items():
        sizes[f"fire{fire}.squeeze"] = (1, channels, width)
        sizes[f"fire{fire}.expand1x1"] = (1, width, 4 * width)
        sizes[f"fire{fire}.expand3x3"] = (3, width, 4 * width)
        channels = 8 * width
    return _convolutions(sizes, scale) | _heads((64, 128, 256, 384, 384, 512, 512), scale)


def _convolutions(sizes, scale):
    weights = {}
    for name, (side, inputs, outputs) in sizes.items():
        inputs = inputs if inputs == 3 else inputs // scale
        shape = (side, side, inputs, outputs // scale)
        gain = np.sqrt(2 / (side * side * inputs))
        weights[f"{name}.kernel"] = random(*shape, seed=len(weights)) * np.float32(gain)
        weights[f"{name}.bias"] = random(shape[-1], seed=len(weights)) * np.float32(0.1)
    return weights


def _heads(channels, scale):
    return {
        f"lin{i}": np.abs(random(count // scale, seed=100 + i)) for i, count in enumerate(channels)
    }


def maps(network, weights, truth, result):
    """Return the maps of differences (h, w) of two uint8 pictures (H, W, 3)."""
    features = {"alex": _alex, "squeeze": _squeeze}[network]
    both = [features(weights, _scaled(picture)) for picture in (truth, result)]
    return [
        ((_unit(first) - _unit(second)) ** 2 * weights[f"lin{index}"]).sum(axis=-1)
        for index, (first, second) in enumerate(zip(*both, strict=True))
    ]


def enlarged(plane, height, width):
    """Return a map interpolated between the centres of its places, pixel by pixel."""
    out = np.empty((height, width))
    for y, x in np.ndindex(height, width):
        top, down = _place(y, height, plane.shape[0])
        left, right = _place(x, width, plane.shape[1])
        rows, columns = slice(top, top + 2), slice(left, left + 2)
        part = np.pad(plane, ((0, 1), (0, 1)), mode="edge")[rows, columns]
        out[y, x] = np.array([1 - down, down]) @ part @ np.array([1 - right, right])
    return out


def _place(index, large, small):
    place = min(max((index + 0.5) * small / large - 0.5, 0), small - 1)
    return int(place), place - int(place)


def _scaled(picture):
    return (picture.astype(float) / 127.5 - 1 - SHIFT) / SCALE


def _unit(features):
    return features / (np.sqrt((features**2).sum(axis=-1, keepdims=True)) + 1e-10)


def _convolve(weights, name, x, stride=1, pad=None):
    kernel = weights[f"{name}.kernel"].astype(float)
    side = len(kernel)
    pad = side // 2 if pad is None else pad
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    rows, columns = ((length - side) // stride + 1 for length in x.shape[:2])
    out = np.empty((rows, columns, kernel.shape[-1]))
    for i, j in np.ndindex(rows, columns):
        window = x[stride * i : stride * i + side, stride * j : stride * j + side]
        out[i, j] = np.tensordot(window, kernel, 3)
    return np.maximum(out + weights[f"{name}.bias"], 0)


def _pool(x, ceil=False):
    rows, columns = ((n - 3 + (1 if ceil else 0)) // 2 + 1 for n in x.shape[:2])
    return np.array(
        [
            [x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max(axis=(0, 1)) for j in range(columns)]
            for i in range(rows)
        ]
    )


def _alex(weights, x):
    first = _convolve(weights, "conv1", x, 4, 2)
    second = _convolve(weights, "conv2", _pool(first))
    third = _convolve(weights, "conv3", _pool(second))
    fourth = _convolve(weights, "conv4", third)
    return [first, second, third, fourth, _convolve(weights, "conv5", fourth)]


def _squeeze(weights, x):
    def fire(x, number):
        squeezed = _convolve(weights, f"fire{number}.squeeze", x)
        parts = [_convolve(weights, f"fire{number}.expand{s}", squeezed) for s in ("1x1", "3x3")]
        return np.concatenate(parts, axis=-1)

    x = _convolve(weights, "conv1", x, 2, 0)
    found = [x]
    for number in FIRES:
        x = fire(_pool(x, ceil=True) if number in (2, 4, 6) else x, number)
        if number not in (2, 4):
            found.append(x)
    return found
