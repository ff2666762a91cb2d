"""Contextual attention in NumPy float64, with loops over patches: slow and hard to get wrong.

Written from the description of the published code, without a look at ours. One sample at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def attend(
    foreground: np.ndarray,
    background: np.ndarray,
    mask: np.ndarray | None = None,
    patch_size: int = 3,
    rate: int = 2,
    fuse_size: int = 3,
    softmax_scale: float = 10.0,
    compat: str = "keras",
) -> np.ndarray:
    """Attend every sample of a batch; arguments as those of the layer."""
    masks = [None] * len(foreground) if mask is None else mask
    options = (patch_size, rate, fuse_size, softmax_scale, compat)
    samples = zip(foreground, background, masks, strict=True)
    return np.stack([attend_sample(f, b, m, *options)["y"] for f, b, m in samples])


def attend_sample(
    foreground: np.ndarray,
    background: np.ndarray,
    mask: np.ndarray | None,
    patch_size: int = 3,
    rate: int = 2,
    fuse_size: int = 3,
    softmax_scale: float = 10.0,
    compat: str = "keras",
) -> dict[str, Any]:
    """Attend one sample `(h, w, C)`, and return every step by name.

    Returns:
        `f_down`, `b_down`: sampled down; `valid`: `(H', W')`; `norms`: `(L,)`; `scores_raw`,
        `scores_fused1`, `scores_fused2`, `probs`: `(h', w', L)`; `y`: `(h, w, C)`.
    """
    f, b = foreground.astype("float64"), background.astype("float64")
    f_down, b_down = sample_down(f, rate, compat), sample_down(b, rate, compat)
    front, back = f_down.shape[:2], b_down.shape[:2]
    valid = valid_patches(mask, b.shape[:2], rate, patch_size, compat)

    keys = patches(b_down, patch_size)
    smallest = 1e-4
    if compat == "torch":
        norms = np.array([np.sqrt(np.sum(key**2 + smallest)) for key in keys])
    else:
        norms = np.array([max(np.sqrt(np.sum(key**2)), smallest) for key in keys])
    queries = patches(f_down, patch_size)
    raw = np.array([[np.sum(q * k) / n for k, n in zip(keys, norms, strict=True)] for q in queries])

    fused1, fused2 = raw, raw
    if fuse_size > 1:
        fused1 = add_diagonal(raw, fuse_size)
        turned = turn(fused1, front, back)
        fused2 = turn(add_diagonal(turned, fuse_size), front[::-1], back[::-1])

    flat_valid = valid.reshape(-1)
    logits = softmax_scale * fused2 * flat_valid
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = weights / weights.sum(axis=1, keepdims=True) * flat_valid

    steps = {"scores_raw": raw, "scores_fused1": fused1, "scores_fused2": fused2, "probs": probs}
    steps = {name: value.reshape(*front, -1) for name, value in steps.items()}
    y = paste(probs, b, rate, front, back)[: f.shape[0], : f.shape[1]] / 4
    return {**steps, "f_down": f_down, "b_down": b_down, "valid": valid, "norms": norms, "y": y}


def sample_down(image: np.ndarray, rate: int, compat: str) -> np.ndarray:
    """Keep one pixel in `rate`, along both axes."""
    rows, columns = (kept_pixels(size, rate, compat) for size in image.shape[:2])
    return image[rows][:, columns]


def kept_pixels(size: int, rate: int, compat: str) -> list[int]:
    """List the pixels that nearest-neighbour sampling keeps."""
    count = -(-size // rate)
    if compat != "tf1" or count == 1:
        return [i * rate for i in range(count)]
    step = np.float32(size - 1) / np.float32(count - 1)
    return [int(np.floor(np.float32(i) * step + np.float32(0.5))) for i in range(count)]


def valid_patches(
    mask: np.ndarray | None, size: tuple[int, int], rate: int, patch_size: int, compat: str
) -> np.ndarray:
    """Mark the patches of the small background without a missing pixel; outside is known."""
    if mask is None:
        mask = np.zeros((*size, 1))
    missing = sample_down(mask > 0, mask.shape[0] // size[0], compat)
    missing = sample_down(missing, rate, compat)[..., 0]
    touched = [patch.any() for patch in patches(missing.astype("float64")[..., None], patch_size)]
    return 1.0 - np.array(touched, "float64").reshape(missing.shape)


def patches(image: np.ndarray, size: int) -> list[np.ndarray]:
    """List the patch around every pixel, row by row; outside is zero."""
    reach = size // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)))
    height, width = image.shape[:2]
    return [padded[y : y + size, x : x + size] for y in range(height) for x in range(width)]


def add_diagonal(scores: np.ndarray, size: int) -> np.ndarray:
    """Add to `scores[i, j]` all `scores[i + t, j + t]` up to `size // 2` steps away."""
    total = np.zeros_like(scores)
    rows, columns = scores.shape
    for step in range(-(size // 2), size // 2 + 1):
        for i in range(max(0, -step), min(rows, rows - step)):
            for j in range(max(0, -step), min(columns, columns - step)):
                total[i, j] += scores[i + step, j + step]
    return total


def turn(scores: np.ndarray, front: tuple[int, ...], back: tuple[int, ...]) -> np.ndarray:
    """Flatten both maps column by column instead of row by row."""
    return scores.reshape(*front, *back).transpose(1, 0, 3, 2).reshape(scores.shape)


def paste(
    probs: np.ndarray,
    background: np.ndarray,
    rate: int,
    front: tuple[int, ...],
    back: tuple[int, ...],
) -> np.ndarray:
    """Put weighted patches of `2 rate` pixels, `rate` apart, over each other."""
    before, side, channels = rate // 2, 2 * rate, background.shape[2]
    padded = np.zeros(((back[0] + 1) * rate, (back[1] + 1) * rate, channels))
    height, width = background.shape[:2]
    padded[before : before + height, before : before + width] = background
    values = np.array(
        [
            padded[y * rate : y * rate + side, x * rate : x * rate + side]
            for y in range(back[0])
            for x in range(back[1])
        ]
    )
    canvas = np.zeros(((front[0] + 1) * rate, (front[1] + 1) * rate, channels))
    for cell, weights in enumerate(probs):
        y, x = (index * rate for index in divmod(cell, front[1]))
        canvas[y : y + side, x : x + side] += np.tensordot(weights, values, axes=1)
    return canvas[before : before + front[0] * rate, before : before + front[1] * rate]
