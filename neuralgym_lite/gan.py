"""The losses of generative adversarial networks, as pure functions.

Reference:
    Goodfellow et al. 2014 (arxiv.org/abs/1406.2661), with the non-saturating loss.
    Arjovsky et al. 2017 (arxiv.org/abs/1701.07875) and Gulrajani et al. 2017
    (arxiv.org/abs/1704.00028): Wasserstein loss with gradient penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from neuralgym_lite.gradients import sample_gradients

# Keeps the gradient of the square root finite where the gradient of a critic vanishes.
EPSILON = 1e-12


def critic_loss(real_scores: Any, fake_scores: Any) -> Any:
    """Return the Wasserstein loss of a critic, the mean of `fake - real`. Scores are `(B, 1)`."""
    return ops.mean(fake_scores) - ops.mean(real_scores)


def generator_loss(fake_scores: Any) -> Any:
    """Return the Wasserstein loss of a generator: the negative mean of the scores `(B, 1)`."""
    return -ops.mean(fake_scores)


def discriminator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """Return the cross entropy of a discriminator. Logits are `(B, 1)`.

    Real and generated images have half of the weight each. At chance level the loss is log 2.
    """
    losses = ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))
    return losses / 2


def non_saturating_loss(fake_logits: Any) -> Any:
    """Return the non-saturating loss of a generator. Logits are `(B, 1)`."""
    return ops.mean(ops.softplus(-fake_logits))


def interpolate(real: Any, fake: Any, alpha: Any) -> Any:
    """Return `alpha real + (1 - alpha) fake` for images `(B, H, W, C)` and alpha `(B,)`."""
    alpha = ops.reshape(alpha, (-1, 1, 1, 1))
    return alpha * real + (1 - alpha) * fake


def input_gradients(critic: Callable[[Any], Any], samples: Any) -> Any:
    """Return the gradient of each sample's score by the sample: `(B, H, W, C)` float32."""
    return ops.cast(sample_gradients(critic, samples), "float32")


def gradient_penalty(gradients: Any, mask: Any = None) -> Any:
    """Return the mean of `(|gradient| - 1)^2`, a float32 scalar, for gradients `(B, H, W, C)`.

    The norm includes the pixels where `mask` `(B, H, W, 1)` is 1. None: all.
    """
    squares = ops.square(ops.cast(gradients, "float32"))
    if mask is not None:
        squares = squares * ops.cast(mask, "float32")
    norms = ops.sqrt(ops.sum(squares, axis=(1, 2, 3)) + EPSILON)
    return ops.mean(ops.square(norms - 1))
