"""Contextual attention: holes are filled with features of the known parts of the same image."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from inpaint_tf.layers import _attention_gram
from inpaint_tf.layers._compat import check_choice, check_compat, check_positive

FORMULATIONS = ("auto", "gram", "reference", "streamed")
MINIMUM_NORM = 1e-4
# `"auto"` streams if a sample has more scores than this. An image of 512x512 pixels has 2^24.
STREAMED_ABOVE = 2**24
# Approximations and their default reductions.
APPROXIMATIONS = {"stride": 2, "random": 4, "cluster": 4, "hierarchical": 8}


@keras.saving.register_keras_serializable(package="inpaint_tf")
class ContextualAttention(keras.layers.Layer):
    """Rebuilds a feature map from similar patches of a background feature map.

    1. Both maps are downsampled by `rate`.
    2. Every `patch_size` x `patch_size` patch of the foreground is compared with every patch of the
       background, by the inner product with the normalized background patch.
    3. Scores are added along diagonals ("fused"), so that neighboring cells attend to neighboring
       patches.
    4. A softmax over the valid background patches gives the attention. A patch is valid if it
       contains no missing pixel.
    5. Patches of `2 rate` x `2 rate` pixels of the full background are weighted by the attention
       and pasted, overlapping, into the output.

    As in the published code, and unlike the paper's text, the foreground is not normalized and
    fusing comes before the softmax. Invalid patches have score 0 and are removed after the softmax,
    so that the weights sum to less than 1. If everything is missing, the output is zero.

    Args:
        patch_size: odd side of the compared patches, in downsampled pixels.
        rate: downsampling factor.
        fuse_size: odd length of the diagonal along which scores are added. 1: no fusing.
        softmax_scale: factor of the scores in the softmax (lambda in the paper).
        compat: `"keras"`, `"torch"` or `"tf1"`: the convention for downsampling and small norms.
        formulation: implementation, all of which are exact. `"gram"`: fast, on every Keras backend.
            `"streamed"`: never holds the whole score map; TensorFlow only. `"auto"`: `"streamed"`
            for large maps, else `"gram"`. `"reference"`: easy to read; TensorFlow only.
        approximation: None, or a faster method with a different result; TensorFlow only.
            `"stride"`: compares every `reduction`-th cell along both axes. `"random"`: compares
            with a random sample of one in `reduction`^2 background patches. `"cluster"`: compares
            with the means of clusters of about `reduction`^2 similar neighboring patches.
            `"hierarchical"`: compares tiles of `reduction` x `reduction` cells with regions of the
            same size, then with the patches of the most similar regions.
        reduction: 2 or more. None: 2, 4, 4 and 8, in this order.
        memory: bytes for the score maps of `"streamed"`. A gradient takes several times as many.
            None: what tiles of 20 x 20 cells take.

    Call arguments:
        foreground: `(B, h, w, C)`.
        background: `(B, H, W, C)`.
        mask: missing pixels (above 0) of the background, `(B, k H, k W, 1)` for an integer k of at
            least 1, or None if all pixels are known.
        return_attention: whether to return offsets as well.
        needed: pixels (above 0) of the foreground for which the output is needed, `(B, h, w, 1)`,
            or None for all. Elsewhere the output may be wrong and offsets are 0. `"streamed"` is
            faster with it.

    Returns:
        `(B, h, w, C)`. With `return_attention`, also the position of the most attended patch
        relative to each cell of the downsampled foreground, `(B, ceil(h / rate), ceil(w / rate),
        2)` int32, as (dy, dx) in downsampled pixels.

    Raises:
        ValueError: if an argument is out of range, or shapes do not match.

    Reference:
        Yu et al. 2018, "Generative Image Inpainting with Contextual Attention", section 4
        (arxiv.org/abs/1801.07892).

    Example:
        >>> layer = inpaint_tf.layers.ContextualAttention(rate=2)
        >>> features, mask = np.ones((1, 16, 16, 4)), np.zeros((1, 16, 16, 1))
        >>> output, offsets = layer(features, features, mask, return_attention=True)
        >>> output.shape, offsets.shape
        (TensorShape([1, 16, 16, 4]), TensorShape([1, 8, 8, 2]))
    """

    def __init__(
        self,
        patch_size: int = 3,
        rate: int = 2,
        fuse_size: int = 3,
        softmax_scale: float = 10.0,
        compat: str = "keras",
        formulation: str = "auto",
        memory: int | None = None,
        approximation: str | None = None,
        reduction: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.patch_size = _check_odd("patch_size", patch_size)
        self.rate = check_positive("rate", rate)
        self.fuse_size = _check_odd("fuse_size", fuse_size)
        if not isinstance(softmax_scale, (int, float)) or not softmax_scale > 0:
            raise ValueError(f"`softmax_scale` must be above 0. Received: {softmax_scale!r}")
        self.softmax_scale = float(softmax_scale)
        self.compat = check_compat(compat)
        self.formulation = check_choice("formulation", formulation, FORMULATIONS)
        self.memory = memory if memory is None else check_positive("memory", memory)
        if approximation is not None:
            check_choice("approximation", approximation, APPROXIMATIONS)
        self.approximation = approximation
        if reduction is not None and check_positive("reduction", reduction) == 1:
            raise ValueError("`reduction` must be 2 or more. Received: reduction=1")
        self.reduction = reduction
        self.built = True

    def call(
        self,
        foreground: Any,
        background: Any,
        mask: Any = None,
        return_attention: bool = False,
        needed: Any = None,
    ) -> Any:
        _check_shapes(foreground, background, mask)
        reduction = self.reduction or APPROXIMATIONS.get(self.approximation or "", 1)
        strides = reduction if self.approximation == "stride" else 1
        rate = self.rate * strides
        small_foreground = ops.cast(self._sample_down(foreground, rate), "float32")
        small_background = ops.cast(self._sample_down(background, rate), "float32")
        maps = small_foreground, small_background, background
        valid = self._valid_patches(mask, background, small_background, strides)
        norm = self._patch_norms(small_background)
        wanted = _needed_cells(needed, small_foreground, rate)
        if self._streams(small_foreground, small_background):
            from inpaint_tf.layers._attention_approximate import LISTS
            from inpaint_tf.layers._attention_streamed import Comparison, attend

            sizes = self.patch_size, self.fuse_size
            how = Comparison(*sizes, self.softmax_scale, rate, reduction, return_attention)
            stream = LISTS.get(self.approximation or "")
            pasted, best = attend(*maps, norm, valid, wanted, how, self.memory, stream)
        else:
            pasted, attention = self._attend_at_once(maps, norm, valid, rate)
            best = ops.argmax(attention, axis=-1) if return_attention else None
        height, width = ops.shape(foreground)[1:3]
        outputs = ops.cast(pasted[:, :height, :width] / 4, self.compute_dtype)
        if not return_attention:
            return outputs
        best = ops.reshape(ops.cast(best, "int32"), (-1, *ops.shape(small_foreground)[1:3]))
        offsets = _offsets(best, ops.shape(small_background)[2]) * strides
        offsets *= ops.cast(wanted, "int32")[..., None]
        for axis in (1, 2):
            offsets = ops.repeat(offsets, strides, axis=axis)
        return outputs, offsets[:, : -(-height // self.rate), : -(-width // self.rate)]

    def _attend_at_once(
        self, maps: tuple[Any, Any, Any], norm: Any, valid: Any, rate: int
    ) -> tuple[Any, Any]:
        """Return sums of up to four pasted patches, and the attention `(B, h' w', H' W')`."""
        how: Any = _attention_gram
        if self.formulation == "reference":
            from inpaint_tf.layers import _attention_reference

            how = _attention_reference
        foreground, background, full_background = maps
        scores = how.scores(foreground, background, norm, self.patch_size, self.fuse_size)
        valid = ops.reshape(valid, (ops.shape(valid)[0], 1, -1))
        logits = scores * (valid * self.softmax_scale)
        # Keras warns of a softmax over one patch. This expression has a gradient, which is zero.
        single = logits.shape[-1] == 1
        attention = (1 + 0 * logits if single else ops.softmax(logits, axis=-1)) * valid
        return how.paste(attention, ops.shape(foreground)[1:3], full_background, rate), attention

    def _streams(self, small_foreground: Any, small_background: Any) -> bool:
        sizes = [*small_foreground.shape[1:3], *small_background.shape[1:3]]
        known = all(isinstance(size, int) for size in sizes)
        if self.approximation not in (None, "stride"):
            return True
        if self.formulation == "auto":
            large = known and math.prod(sizes) > STREAMED_ABOVE
            return large and keras.backend.backend() == "tensorflow"
        if self.formulation == "streamed" and known and self.memory is not None:
            from inpaint_tf.layers._attention_streamed import least_memory

            least = least_memory(math.prod(sizes[2:]), self.fuse_size)
            if self.memory < least:
                raise ValueError(
                    f"`memory` is too small for a background of {sizes[2]}x{sizes[3]} patches: "
                    f"the least is {least} bytes. Received: memory={self.memory}"
                )
        return self.formulation == "streamed"

    def _sample_down(self, inputs: Any, rate: int) -> Any:
        if self.compat != "tf1":
            return inputs[:, ::rate, ::rate]
        return _sample(_sample(inputs, rate, 1, self.compat), rate, 2, self.compat)

    def _valid_patches(
        self, mask: Any, background: Any, small_background: Any, strides: int
    ) -> Any:
        """Return 1 for background patches without missing pixels, else 0: `(B, H', W')`."""
        if mask is None:
            return ops.ones_like(small_background[..., 0], dtype="float32")
        missing = ops.cast(ops.cast(mask, "float32") > 0, "float32")
        for axis in (1, 2):
            multiple = ops.shape(mask)[axis] // ops.shape(background)[axis]
            missing = _sample(missing, multiple, axis, self.compat)
        missing = self._sample_down(missing, self.rate)
        if strides > 1:  # so that no missing pixel is skipped
            missing = _pool(missing, strides)
        touched = ops.max_pool(missing, self.patch_size, strides=1, padding="same")
        return 1.0 - touched[..., 0]

    def _patch_norms(self, small_background: Any) -> Any:
        """Return the L2 norm of every background patch, which is above zero: `(B, H', W')`."""
        squares = ops.sum(ops.square(small_background), -1, keepdims=True)
        total = ops.average_pool(
            ops.pad(squares, ((0, 0), *[(self.patch_size // 2,) * 2] * 2, (0, 0))),
            self.patch_size,
            strides=1,
            padding="valid",
        )[..., 0] * float(self.patch_size**2)
        if self.compat == "torch":
            values = self.patch_size**2 * small_background.shape[-1]
            return ops.sqrt(total + values * MINIMUM_NORM)
        # The maximum is under the root, so that the gradient is finite at zero.
        return ops.sqrt(ops.maximum(total, MINIMUM_NORM**2))

    def compute_output_spec(
        self, foreground: Any, *_: Any, return_attention: bool = False, **__: Any
    ) -> Any:
        outputs = keras.KerasTensor(foreground.shape, dtype=self.compute_dtype)
        if not return_attention:
            return outputs
        batch, height, width, _ = foreground.shape
        small = [size and -(-size // self.rate) for size in (height, width)]
        return outputs, keras.KerasTensor((batch, *small, 2), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "rate": self.rate,
            "fuse_size": self.fuse_size,
            "softmax_scale": self.softmax_scale,
            "compat": self.compat,
            "formulation": self.formulation,
            "memory": self.memory,
            "approximation": self.approximation,
            "reduction": self.reduction,
        }


def _check_odd(name: str, value: int) -> int:
    if check_positive(name, value) % 2 == 0:
        raise ValueError(f"`{name}` must be odd. Received: {name}={value!r}")
    return value


def _check_shapes(foreground: Any, background: Any, mask: Any) -> None:
    if len(foreground.shape) != 4 or len(background.shape) != 4:
        raise ValueError(
            "`foreground` and `background` must be (B, H, W, C). "
            f"Received: shapes {tuple(foreground.shape)} and {tuple(background.shape)}"
        )
    if foreground.shape[-1] != background.shape[-1]:
        raise ValueError(
            "`foreground` and `background` must have the same channels. "
            f"Received: shapes {tuple(foreground.shape)} and {tuple(background.shape)}"
        )
    if mask is None:
        return
    sides = zip(mask.shape[1:3], background.shape[1:3], strict=False)
    known = [(side, back) for side, back in sides if side is not None and back is not None]
    multiple = all(side > 0 and side % back == 0 for side, back in known)
    if len(mask.shape) != 4 or mask.shape[-1] != 1 or not multiple:
        raise ValueError(
            "`mask` must be (B, k H, k W, 1) for a background (B, H, W, C) and an integer k. "
            f"Received: shapes {tuple(mask.shape)} and {tuple(background.shape)}"
        )


def _sample(inputs: Any, rate: Any, axis: int, compat: str) -> Any:
    """Keep every `rate`-th pixel along an axis. With `tf1`, the last pixel is always kept."""
    if compat != "tf1" and isinstance(rate, int):
        return inputs[:, ::rate] if axis == 1 else inputs[:, :, ::rate]
    size = ops.shape(inputs)[axis]
    if compat != "tf1":
        return ops.take(inputs, ops.arange(0, size, rate), axis=axis)
    kept = (size + rate - 1) // rate
    step = ops.cast(size - 1, "float32") / ops.cast(ops.maximum(kept - 1, 1), "float32")
    # Halves are rounded up, as in the original's resizing.
    index = ops.floor(ops.arange(kept, dtype="float32") * step + 0.5)
    return ops.take(inputs, ops.cast(index, "int32"), axis=axis)


def _pool(inputs: Any, rate: int) -> Any:
    """Return the maximum of every `rate` x `rate` pixels, of fewer at the end."""
    pads = [(0, -ops.shape(inputs)[axis] % rate) for axis in (1, 2)]
    return ops.max_pool(ops.pad(inputs, ((0, 0), *pads, (0, 0))), rate, strides=rate)


def _needed_cells(needed: Any, small_foreground: Any, rate: int) -> Any:
    """Return the cells whose pasted patches cover a needed pixel: `(B, h', w')` bool."""
    if needed is None:
        return ops.ones_like(small_foreground[..., 0], dtype="bool")
    cells = _pool(ops.cast(ops.cast(needed, "float32") > 0, "float32"), rate)
    return ops.max_pool(cells, 3, strides=1, padding="same")[..., 0] > 0


def _offsets(best: Any, back_width: Any) -> Any:
    """Return the position of the most attended patch relative to each cell: `(B, h', w', 2)`."""
    height, width = ops.shape(best)[1:3]
    rows = best // back_width - ops.arange(height, dtype="int32")[:, None]
    columns = best % back_width - ops.arange(width, dtype="int32")
    return ops.stack([rows, columns], axis=-1)
