"""The signatures of an exported model, for servers that have neither this project nor Keras."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from inpaint_tf.inference.conversion import MIN_SIDE
from inpaint_tf.models.filling import FillGraph

Outputs: TypeAlias = dict[str, tf.Tensor]

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_HEADER = 33  # bytes, with the size in it
PHOTOGRAPHS = (
    tf.TensorSpec((None, None, None, 3), tf.uint8, name="image"),
    tf.TensorSpec((None, None, None, 1), tf.uint8, name="mask"),
)
_FILES = (
    tf.TensorSpec((None,), tf.string, name="image"),
    tf.TensorSpec((None,), tf.string, name="mask"),
)


class ServedInpainter(tf.Module):
    """The signatures of an exported model: a `FillGraph` for arrays and for files.

    Every function takes batches and photographs of any size.

    Args:
        graph: fills photographs.
        max_pixels: of a photograph; larger ones are refused, before they are decoded.

    Attributes:
        functions: by the names of the signatures.
    """

    def __init__(self, graph: FillGraph, max_pixels: int) -> None:
        super().__init__()
        model = graph.model
        # A server needs only the variables of the model; its layers would be saved with it.
        self.variables_of_model = [variable.value for variable in model.variables]
        self.max_pixels = max_pixels

        # A function of its own, so that the graph has the network once, whoever calls it.
        @tf.function(input_signature=PHOTOGRAPHS, autograph=False)
        def fill(image: tf.Tensor, mask: tf.Tensor) -> Outputs:
            image, mask = _after(self._checks(image, mask), (image, mask))
            return graph(image, mask, model.has_attention)

        def fill_file(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            image, mask = self._decode(pair[0], "image"), self._decode(pair[1], "mask")
            holes = missing(mask.rgba)
            rgb = fill(image.rgba[None, ..., :3], holes[None])["output"][0]
            # What is filled is opaque.
            alpha = tf.maximum(image.rgba[..., 3:], holes * np.uint8(255))
            return _encoded(image, rgb, alpha)

        @tf.function(input_signature=_FILES, autograph=False)
        def fill_files(image: tf.Tensor, mask: tf.Tensor) -> Outputs:
            sizes = tf.size(image), tf.size(mask)
            same = _check(
                tf.equal(*sizes), "There must be a mask for each image. Received:", *sizes
            )
            # One after the other: each has its own size, and takes all cores.
            pictures = tf.map_fn(
                fill_file,
                _after([same], (image, mask)),
                fn_output_signature=tf.string,
                parallel_iterations=1,
            )
            return {"output_bytes": pictures}

        def only(*names: str) -> Any:
            def run(image: tf.Tensor, mask: tf.Tensor) -> Outputs:
                outputs = fill(image, mask)
                return {name: outputs[name] for name in names}

            return tf.function(run, input_signature=PHOTOGRAPHS, autograph=False)

        # Not a signature: the prediction before it is rounded, for comparisons.
        self.refine = only("refined")
        self.functions = {"serving_default": only("output"), "bytes": fill_files}
        if model.has_attention:
            self.functions["attention"] = only("output", "offsets")

    def _checks(self, image: tf.Tensor, mask: tf.Tensor) -> list[tf.Operation]:
        batch, height, width = tf.unstack(tf.shape(image)[:3])
        shapes = tf.shape(image), tf.shape(mask)
        side = f"image must have at least {MIN_SIDE} pixels a side. Received:"
        return [
            # The number of values: the graph takes their static shape for granted.
            _check(
                tf.equal(tf.size(image), 3 * batch * height * width),
                "image must be (batch, height, width, 3). Received:",
                shapes[0],
            ),
            _check(
                tf.reduce_all(tf.equal(shapes[1], [batch, height, width, 1])),
                "mask must be (batch, height, width, 1), as large as image. Received: image, mask",
                *shapes,
            ),
            _check(tf.minimum(height, width) >= MIN_SIDE, side, shapes[0]),
            self._check_pixels(height, width),
        ]

    def _check_pixels(self, height: tf.Tensor, width: tf.Tensor) -> tf.Operation:
        pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
        refusal = f"image must have at most {self.max_pixels} pixels. Received:"
        return _check(pixels <= self.max_pixels, refusal, height, width)

    def _decode(self, file: tf.Tensor, what: str) -> Decoded:
        """Return the picture of a JPEG or PNG; its header is checked first."""
        is_png = tf.strings.substr(file, 0, len(_PNG)) == _PNG
        is_jpeg = tf.strings.substr(file, 0, len(_JPEG)) == _JPEG
        length = tf.strings.length(file)
        whole = is_jpeg | (is_png & (length >= _PNG_HEADER))
        file = _after([_check(whole, f"{what} is neither a JPEG nor a PNG. Bytes:", length)], file)
        header = tf.cond(is_png, lambda: _png_header(file), lambda: _jpeg_header(file))
        height, width, channels = header[0], header[1], header[2]
        can_be_read = [
            self._check_pixels(height, width),
            _check(is_png | (channels != 4), f"{what} is a JPEG in CMYK; send it in RGB."),
        ]
        file = _after(can_be_read, file)
        rgba = tf.cond(is_png, lambda: _png(file), lambda: _jpeg(file))
        see_through = is_png & ((channels % 2 == 0) | tf.reduce_any(rgba[..., 3] < 255))
        return Decoded(rgba, grey=channels < 3, see_through=see_through)


def _check(condition: tf.Tensor, *refusal: Any) -> tf.Operation:
    """Return an operation that fails with a message unless a condition holds."""
    return tf.debugging.Assert(condition, refusal)


def _after(checks: list[tf.Operation], tensors: Any) -> Any:
    """Return tensors that exist only where the checks pass."""
    with tf.control_dependencies(checks):
        return tf.nest.map_structure(tf.identity, tensors)


class Decoded(NamedTuple):
    """A picture of a file."""

    rgba: tf.Tensor  # (H, W, 4) uint8
    grey: tf.Tensor  # whether the file has no colors
    see_through: tf.Tensor  # whether it has transparency


def missing(rgba: tf.Tensor) -> tf.Tensor:
    """Return where the picture `(H, W, 4)` of a mask is light, as `read_mask` does.

    It is 1 where the luma of the colors, laid over black, is above 127, and 0 elsewhere,
    `(H, W, 1)` uint8. In a picture of the levels 0 and 1 it is 1 where the level is.
    """
    values = tf.cast(rgba, tf.int32)
    levels = _luma((values[..., :3] * values[..., 3:] + 127) // 255)
    return tf.cast(levels > tf.where(tf.reduce_max(levels) == 1, 0, 127), tf.uint8)


def _luma(rgb: tf.Tensor) -> tf.Tensor:
    """Return `(H, W, 1)` of int32 `(H, W, 3)`: what Pillow's conversion to "L" gives."""
    return (tf.reduce_sum(rgb * [19595, 38470, 7471], -1, keepdims=True) + 0x8000) // 0x10000


def _encoded(picture: Decoded, rgb: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """Return a PNG of other colors and opacities, grey or transparent where the picture was."""
    grey = tf.cast(_luma(tf.cast(rgb, tf.int32)), tf.uint8)
    layers = tf.cond(picture.grey, lambda: grey, lambda: rgb)
    return tf.io.encode_png(
        tf.cond(picture.see_through, lambda: tf.concat([layers, alpha], -1), lambda: layers)
    )


def _png_header(file: tf.Tensor) -> tf.Tensor:
    """Return height, width and channels; those of a palette are 3."""
    # Width and height lie at byte 16, of four bytes each, the highest first.
    header = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 16, 10), tf.uint8), tf.int64)
    width, height = tf.unstack(tf.reshape(header[:8], (2, 4)) @ [[2**24], [2**16], [2**8], [1]])
    kinds = tf.constant([1, 3, 3, 3, 2, 3, 4], tf.int64)
    channels = tf.gather(kinds, tf.minimum(header[9:], 6))
    return tf.concat([height, width, channels], 0)


def _png(file: tf.Tensor) -> tf.Tensor:
    rgba = tf.io.decode_png(file, 4)
    # What has no transparency gets the highest value of its own bits as opacity, such as 1 of 1.
    bits = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 24, 1), tf.uint8)[0], tf.int32)
    opaque = tf.reduce_all(tf.cast(rgba[..., 3:], tf.int32) == tf.bitwise.left_shift(1, bits) - 1)
    return tf.where(opaque, tf.concat([rgba[..., :3], _opaque(rgba)], -1), rgba)


def _jpeg_header(file: tf.Tensor) -> tf.Tensor:
    """Return height, width and channels."""
    return tf.cast(tf.io.extract_jpeg_shape(file), tf.int64)


def _jpeg(file: tf.Tensor) -> tf.Tensor:
    # The accurate transform is that of Pillow and browsers.
    rgb = tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE")
    return tf.concat([rgb, _opaque(rgb)], -1)


def _opaque(picture: tf.Tensor) -> tf.Tensor:
    return tf.fill(tf.shape(picture[..., :1]), np.uint8(255))
