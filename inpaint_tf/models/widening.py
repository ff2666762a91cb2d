"""A network's weights in one of more channels, which begins with the same pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.models.contextual_attention import ContextualAttentionModel

Float = npt.NDArray[np.float32]


def can_widen(narrow: Any, wide: Any) -> bool:
    """Return whether `widen` takes these two models, as far as width decides it."""
    return (
        isinstance(narrow, ContextualAttentionModel)
        and isinstance(wide, ContextualAttentionModel)
        and wide.width > narrow.width
        and wide.width % narrow.width == 0
    )


def widen(narrow: ContextualAttentionModel, wide: ContextualAttentionModel, seed: int) -> None:
    """Give a model the weights of a narrower one, so that it paints the same pictures.

    Every channel becomes several that are alike, and what reads them reads a share of each. What
    alike channels are read with differs by random numbers that cancel out: without them their
    gradients would be alike too, and the network would never use its width.

    Args:
        narrow: whose weights are taken.
        wide: of the same `compat`, and of a width that is a multiple of it.
        seed: of the random numbers.

    Raises:
        ValueError: if the widths do not allow it.

    Reference:
        Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer", 2016, section 2.2
        (arxiv.org/abs/1511.05641), without its restriction to small noise.
    """
    if not can_widen(narrow, wide):
        raise ValueError(
            "`wide` must have a multiple of the width of `narrow`. "
            f"Received: {wide.width} and {narrow.width}"
        )
    rng = np.random.default_rng(seed)
    for old, new in zip(narrow.weights, wide.weights, strict=True):
        new.assign(_widened(np.asarray(old), tuple(new.shape), rng))
    # Scores of attention are inner products of features with normalised ones, which grow with the
    # root of the number of channels; ReLU lets a factor through.
    grown = math.sqrt(wide.width / narrow.width)
    scored = wide.refinement.attention_encoder[-1]
    scored.kernel.assign(scored.kernel / grown)
    scored.bias.assign(scored.bias / grown)
    attended = wide.refinement.attention_decoder[0]
    attended.kernel.assign(attended.kernel * grown)


def _widened(weight: Float, shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Return a kernel (h, w, in, out) or a bias (out,) with each channel repeated."""
    weight = np.repeat(weight, shape[-1] // weight.shape[-1], axis=-1)
    if weight.shape == shape:
        return weight
    count = shape[-2] // weight.shape[-2]
    noise = rng.normal(size=(*weight.shape[:-1], count, weight.shape[-1]))
    noise -= noise.mean(axis=-2, keepdims=True)
    shares = (weight[..., None, :] + weight.std() * noise) / count
    return shares.reshape(shape).astype(np.float32)
