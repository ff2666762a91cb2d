"""The paper's networks in NumPy float64, written from its layer tables: slow and hard to get wrong.

Weights are given under the names of the PyTorch port: `(out, in, height, width)` for kernels. One
picture at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attention_oracle
import numpy as np

Weights = Mapping[str, np.ndarray]

ATROUS = ["conv7_atrous", "conv8_atrous", "conv9_atrous", "conv10_atrous"]
DILATIONS = dict(zip(ATROUS, (2, 4, 8, 16), strict=True))
ENCODER = ["conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6", *ATROUS]
COARSE = [*ENCODER, "conv11", "conv12", "conv13", "conv14", "conv15", "conv16", "conv17"]
MATCHING = ["pmconv1", "pmconv2_downsample", "pmconv3", "pmconv4_downsample", "pmconv5", "pmconv6"]
PASTED = ["pmconv9", "pmconv10"]
DECODER = [f"allconv{i}" for i in range(11, 18)]
DOUBLED = {"conv13", "conv15", "allconv13", "allconv15"}  # the picture is doubled before these
LINEAR = {"conv17", "allconv17"}


def generate(
    masked: np.ndarray, mask: np.ndarray, weights: Weights, compat: str
) -> dict[str, np.ndarray]:
    """Return `coarse` and `refined`, `(H, W, 3)`, of a picture `(H, W, 3)` and its mask."""
    masked, mask = masked.astype("float64"), mask.astype("float64")
    ones = np.ones_like(mask)
    inputs = np.concatenate([masked, ones, mask], axis=-1)
    coarse = run(inputs, COARSE, weights, "coarse_generator", compat).clip(-1, 1)
    pasted = coarse * mask + masked * (1 - mask)
    inputs = np.concatenate([pasted, ones, mask], axis=-1)
    dilated = run(inputs, ENCODER, weights, "fine_generator", compat)
    features = run(inputs, MATCHING, weights, "fine_generator", compat)
    attended = attention_oracle.attend_sample(features, features, mask, compat=compat)["y"]
    attended = run(attended, PASTED, weights, "fine_generator", compat)
    both = np.concatenate([dilated, attended], axis=-1)
    refined = run(both, DECODER, weights, "fine_generator", compat).clip(-1, 1)
    return {"coarse": coarse, "refined": refined}


def criticize(picture: np.ndarray, weights: Weights, compat: str) -> float:
    """Return the score of a picture `(H, W, 3)`."""
    features = picture.astype("float64")
    for i in range(1, 5):
        name = f"dis_conv_module.conv{i}.conv"
        features = convolve(features, weights[f"{name}.weight"], stride=2, compat=compat)
        features += weights[f"{name}.bias"]
        features = np.where(features > 0, features, 0.2 * features)
    flat = features.transpose(2, 0, 1).reshape(-1)
    return float(weights["linear.weight"][0] @ flat + weights["linear.bias"][0])


def run(
    inputs: np.ndarray, names: Iterable[str], weights: Weights, part: str, compat: str
) -> np.ndarray:
    """Apply layers by name, one after the other."""
    for name in names:
        if name in DOUBLED:
            inputs = inputs.repeat(2, axis=0).repeat(2, axis=1)
        stride = 2 if name.endswith("_downsample") else 1
        kernel = weights[f"{part}.{name}.conv.weight"]
        outputs = convolve(inputs, kernel, stride, DILATIONS.get(name, 1), compat)
        outputs += weights[f"{part}.{name}.conv.bias"]
        inputs = activate(outputs, name)
    return inputs


def activate(values: np.ndarray, name: str) -> np.ndarray:
    """Apply the activation of a layer: ELU, but for the last before attention, and the last."""
    if name in LINEAR:
        return values
    if name == "pmconv6":
        return np.maximum(values, 0)
    return np.where(values > 0, values, np.expm1(np.minimum(values, 0)))


def convolve(
    picture: np.ndarray, kernel: np.ndarray, stride: int = 1, dilation: int = 1, compat: str = ""
) -> np.ndarray:
    """Correlate `(H, W, in)` with a kernel, zeros around."""
    reach = dilation * (kernel.shape[-1] - 1)
    pads, counts = [], []
    for size in picture.shape[:2]:
        count = -(-size // stride)
        total = max((count - 1) * stride + reach + 1 - size, 0)
        before = reach // 2 if compat == "torch" else total // 2
        pads.append((before, max(total - before, 0)))
        counts.append(count)
    padded = np.pad(picture, (*pads, (0, 0)))
    result = np.zeros((*counts, kernel.shape[0]))
    for row in range(kernel.shape[2]):
        for column in range(kernel.shape[3]):
            rows = row * dilation + stride * np.arange(counts[0])
            columns = column * dilation + stride * np.arange(counts[1])
            result += padded[np.ix_(rows, columns)] @ kernel[:, :, row, column].T.astype("float64")
    return result
