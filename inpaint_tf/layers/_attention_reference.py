"""Contextual attention as its authors describe it, with patches as filters. TensorFlow only.

It is slow and easy to read. The tests compare the other formulations with it. The functions are
those of `_attention_gram.py`. Samples are processed one at a time: each has its own filters.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def scores(foreground: Any, background: Any, norm: Any, patch_size: int, fuse_size: int) -> Any:
    """Correlate the foreground with the normalized patches of the background, and fuse."""
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
    """Paste the attended patches of the full background and add where they overlap."""
    background = tf.cast(background, tf.float32)
    channels = background.shape[-1]
    height, width = (rate * size for size in front)
    # A patch starts rate // 2 pixels before its cell.
    before = rate // 2
    sizes = tf.unstack(tf.shape(background))[1:3]
    pads = [(before, rate - before + -size % rate) for size in sizes]
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
    """Convolve the flat score map with an identity matrix, first by rows, then by columns."""
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
