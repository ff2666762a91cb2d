"""Weights for a wider network that computes the same function as a narrower one (Net2Net)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaint_tf.models.contextual_attention import ContextualAttentionModel

Float = npt.NDArray[np.float32]


def can_widen(narrow: Any, wide: Any) -> bool:
    """Return whether the widths of two models allow `widen`."""
    return (
        isinstance(narrow, ContextualAttentionModel)
        and isinstance(wide, ContextualAttentionModel)
        and wide.width > narrow.width
        and wide.width % narrow.width == 0
    )


def widen(narrow: ContextualAttentionModel, wide: ContextualAttentionModel, seed: int) -> None:
    """Set the weights of a model so that its outputs are those of a narrower model.

    Every channel is repeated, and the kernels that read it are divided among the copies. Random
    numbers that cancel out are added to these kernels: otherwise the copies would have the same
    gradients and stay the same forever.

    Args:
        narrow: the model whose weights are copied.
        wide: a model of the same `compat`, whose width is a multiple.
        seed: seed of the random numbers.

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
    # Attention scores are inner products of features with normalized ones. They grow with the
    # square root of the number of channels. ReLU is linear in positive factors.
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
