"""Contextual attention as its authors tell it: patches are filters. Slow, plain, the oracle.

TensorFlow only. One sample at a time, because every sample brings filters of its own.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def scores(foreground: Any, background: Any, norm: Any, patch_size: int, fuse_size: int) -> Any:
    """Correlate the foreground with the background's normalised patches, then fuse.

    Args:
        foreground: `(B, h', w', C)`.
        background: `(B, H', W', C)`.
        norm: `(B, H', W')`, of the background patches.
        patch_size: odd side of the patches.
        fuse_size: odd side of the identity matrix that fuses.

    Returns:
        `(B, h' w', H' W')` float32.
    """
    front, back = tf.shape(foreground)[1:3], tf.shape(background)[1:3]
    channels = background.shape[-1]

    def one_sample(sample: tuple[Any, Any, Any]) -> Any:
        query, key, length = sample
        patches = _patches(key[None], patch_size, stride=1)
        filters = tf.reshape(patches, (-1, patch_size, patch_size, channels))
        filters = tf.transpose(filters / tf.reshape(length, (-1, 1, 1, 1)), (1, 2, 3, 0))
        return _fuse(tf.nn.conv2d(query[None], filters, 1, "SAME"), front, back, fuse_size)

    return tf.map_fn(one_sample, (foreground, background, norm), fn_output_signature=tf.float32)


def paste(attention: Any, front: Any, background: Any, rate: int) -> Any:
    """Put the attended patches of the full background over each other.

    Args:
        attention: `(B, h' w', H' W')` float32.
        front: (h', w').
        background: `(B, H, W, C)` with `H' = ceil(H / rate)`.
        rate: stride of the patches; their side is `2 rate`.

    Returns:
        `(B, rate h', rate w', C)`, sums of up to four patches.
    """
    background = tf.cast(background, tf.float32)
    channels = background.shape[-1]
    height, width = (rate * size for size in front)
    # A patch starts rate // 2 pixels before its cell and ends as many after the last whole cell.
    before = rate // 2
    pads = [
        (before, rate - before + -size % rate) for size in tf.unstack(tf.shape(background))[1:3]
    ]
    padded = tf.pad(background, [(0, 0), *pads, (0, 0)])

    def one_sample(sample: tuple[Any, Any]) -> Any:
        weights, values = sample
        patches = _patches(values[None], 2 * rate, stride=rate, padding="VALID")
        filters = tf.reshape(patches, (-1, 2 * rate, 2 * rate, channels))
        filters = tf.transpose(filters, (1, 2, 3, 0))
        weights = tf.reshape(weights, (1, *front, -1))
        size = (1, height + rate, width + rate, channels)
        return tf.nn.conv2d_transpose(weights, filters, size, rate, "VALID")[0]

    pasted = tf.map_fn(one_sample, (attention, padded), fn_output_signature=tf.float32)
    return pasted[:, before : before + height, before : before + width]


def _fuse(scores: Any, front: Any, back: Any, size: int) -> Any:
    """Convolve the flat score map with an identity matrix, row by row and column by column."""
    cells, patches = front[0] * front[1], back[0] * back[1]
    eye = tf.eye(size)[:, :, None, None]
    fused = tf.nn.conv2d(tf.reshape(scores, (1, cells, patches, 1)), eye, 1, "SAME")
    turned = tf.transpose(tf.reshape(fused, (*tf.unstack(front), *tf.unstack(back))), (1, 0, 3, 2))
    fused = tf.nn.conv2d(tf.reshape(turned, (1, cells, patches, 1)), eye, 1, "SAME")
    sizes = (front[1], front[0], back[1], back[0])
    return tf.reshape(tf.transpose(tf.reshape(fused, sizes), (1, 0, 3, 2)), (cells, patches))


def _patches(inputs: Any, size: int, stride: int, padding: str = "SAME") -> Any:
    window, steps = [1, size, size, 1], [1, stride, stride, 1]
    return tf.image.extract_patches(inputs, window, steps, [1, 1, 1, 1], padding)
