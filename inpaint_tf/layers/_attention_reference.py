"""Contextual attention as its authors tell it: patches are filters. Slow, plain, the oracle.

TensorFlow only. One sample at a time, because every sample brings filters of its own.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def scores(foreground: Any, background: Any, norm: Any, patch_size: int) -> Any:
    """Correlate the foreground with the background's normalised patches.

    Args:
        foreground: `(B, h', w', C)`.
        background: `(B, H', W', C)`.
        norm: `(B, H', W')`.
        patch_size: side of the patches.

    Returns:
        `(B, h', w', H', W')` float32.
    """
    foreground, background = (tf.cast(x, tf.float32) for x in (foreground, background))
    height, width = tf.shape(norm)[1], tf.shape(norm)[2]
    channels = background.shape[-1]

    def one_sample(sample: tuple[Any, Any, Any]) -> Any:
        front, back, length = sample
        patches = _patches(back[None], patch_size, stride=1)
        filters = tf.reshape(patches, (-1, patch_size, patch_size, channels))
        filters = tf.transpose(filters / tf.reshape(length, (-1, 1, 1, 1)), (1, 2, 3, 0))
        return tf.nn.conv2d(front[None], filters, 1, "SAME")[0]

    result = tf.map_fn(one_sample, (foreground, background, norm), fn_output_signature=tf.float32)
    shape = tf.shape(result)
    return tf.reshape(result, (shape[0], shape[1], shape[2], height, width))


def paste(attention: Any, background: Any, rate: int) -> Any:
    """Put the attended patches of the full background over each other.

    Args:
        attention: `(B, h', w', H', W')` float32.
        background: `(B, H, W, C)` with `H' = ceil(H / rate)`.
        rate: stride of the patches; their side is `2 rate`.

    Returns:
        `(B, rate h', rate w', C)`, sums of up to four patches.
    """
    background = tf.cast(background, tf.float32)
    shape = tf.shape(attention)
    channels = background.shape[-1]
    flat = tf.reshape(attention, (shape[0], shape[1], shape[2], shape[3] * shape[4]))
    # A patch starts rate // 2 pixels before its cell; pads make every cell whole.
    before = rate // 2
    after = [
        2 * rate - before - rate + shape[3 + i] * rate - tf.shape(background)[1 + i]
        for i in range(2)
    ]
    padded = tf.pad(background, [(0, 0), (before, after[0]), (before, after[1]), (0, 0)])
    size = tf.stack([1, rate * (shape[1] + 1), rate * (shape[2] + 1), channels])

    def one_sample(sample: tuple[Any, Any]) -> Any:
        weights, back = sample
        patches = _patches(back[None], 2 * rate, stride=rate, padding="VALID")
        filters = tf.reshape(patches, (-1, 2 * rate, 2 * rate, channels))
        filters = tf.transpose(filters, (1, 2, 3, 0))
        return tf.nn.conv2d_transpose(weights[None], filters, size, rate, "VALID")[0]

    pasted = tf.map_fn(one_sample, (flat, padded), fn_output_signature=tf.float32)
    height, width = rate * shape[1], rate * shape[2]
    return pasted[:, before : before + height, before : before + width]


def _patches(inputs: Any, size: int, stride: int, padding: str = "SAME") -> Any:
    window, steps = [1, size, size, 1], [1, stride, stride, 1]
    return tf.image.extract_patches(inputs, window, steps, [1, 1, 1, 1], padding)
