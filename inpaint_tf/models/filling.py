"""Filling as one function: uint8 photograph and mask in, composited uint8 photograph out."""

from __future__ import annotations

from typing import Any, TypeAlias

from keras import ops

from inpaint_tf.masks import MaskMode
from inpaint_tf.models.inpainting_model import InpaintingModel
from inpaint_tf.models.resizing import enlarge, resize, to_levels
from neuralgym_lite.images import MID_GREY

Outputs: TypeAlias = dict[str, Any]


class FillGraph:
    """A network with everything around it: mask mode, padding, rounding and compositing.

    It is one function of tensors for batches and photographs of any size. `inpaint-tf export` saves
    it; `Inpainter.fill` runs its `predict` and composites on the host, where holes in flat
    surroundings have been filled already.

    Args:
        model: the network.
        mask_mode: what the network sees in holes; None is the mode of the model. What OpenCV
            prefills must be in the photograph already, because no graph can compute it.

    Call arguments:
        image: `(B, H, W, 3)` uint8.
        mask: `(B, H, W, 1)` uint8: 0 and 1, or grey levels, of which those above 127 are missing.
        return_attention: whether offsets are wanted.

    Returns:
        A dict of `"output"`, `(B, H, W, 3)` uint8, the filled photographs, whose known pixels are
        those of `image`; `"refined"`, float32 in [-1, 1], the prediction of the whole photographs;
        and with `return_attention`, of a model that has it, `"offsets"`, `(B, h, w, 2)` int32
        (dy, dx).

    Example:
        >>> import numpy as np
        >>> from inpaint_tf.models import create
        >>> graph = FillGraph(create("ca", width=4))
        >>> image = np.full((1, 32, 40, 3), 200, np.uint8)
        >>> mask = np.zeros((1, 32, 40, 1), np.uint8)
        >>> mask[:, 8:24, 8:24] = 1
        >>> graph(image, mask)["output"].shape
        TensorShape([1, 32, 40, 3])
    """

    def __init__(self, model: InpaintingModel, mask_mode: MaskMode | None = None) -> None:
        self.model = model
        self.mask_mode = mask_mode or model.mask_mode

    def __call__(self, image: Any, mask: Any, return_attention: bool = False) -> Outputs:
        """Fill photographs."""
        outputs = self.predict(image, mask, return_attention)
        # Chosen as floats: TensorFlow Lite cannot choose between integers.
        levels = ops.cast(image, "float32")
        output = ops.where(binary(mask) > 0, _levels_of(outputs["refined"]), levels)
        return {**outputs, "output": ops.cast(output, "uint8")}

    def predict(self, image: Any, mask: Any, return_attention: bool = False) -> Outputs:
        """Return `"refined"`, and `"offsets"` if they are wanted and the model has attention."""
        run = self._resized if self.model.fixed_size else self._any
        return run(ops.cast(image, "float32"), binary(mask), return_attention)

    def _resized(self, levels: Any, holes: Any, return_attention: bool) -> Outputs:
        """Run a network of one size on the resized photograph, and resize its result back."""
        side = self.model.fixed_size
        square = to_levels(resize(levels, side, side, "bilinear"))
        square_holes = resize_holes(holes, side, side)
        predicted = _levels_of(self._any(square, square_holes, return_attention)["refined"])
        # Composited here already: what lies beside a hole leaks into it when the square grows.
        filled = ops.where(square_holes > 0, predicted, square)
        height, width = ops.shape(levels)[1:3]
        resized = to_levels(resize(filled, height, width, "bicubic"))
        return {"refined": resized / 127.5 - 1}

    def _any(self, levels: Any, holes: Any, return_attention: bool) -> Outputs:
        """Run the network on photographs of any size, padded to its multiple."""
        height, width = ops.shape(levels)[1:3]
        options = self._options(levels, holes)
        if return_attention and self.model.has_attention:
            options["return_attention"] = True
        outputs = self.model(self._inputs(levels, holes), training=False, **options)
        kept = {name: outputs[name] for name in ("offsets",) if name in outputs}
        refined = ops.cast(outputs["refined"], "float32")
        return {**kept, "refined": refined[:, :height, :width]}

    def _inputs(self, levels: Any, holes: Any) -> tuple[Any, Any]:
        """Return the inputs of the network, padded by reflection to its multiple."""
        # A mosaic samples the photograph alone, so it is padded after that. The mask is padded by
        # reflection as well: the mirror image of a hole is as unknown as the hole.
        masked = self.mask_mode.masked_input(levels / 127.5 - 1, holes)
        return reflected(masked, self.model.multiple), reflected(holes, self.model.multiple)

    def _options(self, levels: Any, holes: Any) -> dict[str, Any]:
        """Return further call arguments of the model, in a subclass."""
        return {}

    def coarse(self, levels: Any, holes: Any) -> Any:
        """Return what the coarse network makes of photographs, padded to its multiple."""
        return self.model.guess(*self._inputs(levels, holes))

    def guess_reduced(self, levels: Any, holes: Any, height: Any, width: Any) -> Any:
        """Return what the coarse network makes of reduced photographs, enlarged again.

        A hole that is far wider than in training is as wide as in training then.

        Args:
            levels: `(B, H, W, 3)` float32 in 0..255.
            holes: `(B, H, W, 1)` float32 of 0 and 1.
            height: of the reduced photographs, in pixels.
            width: of the reduced photographs, in pixels.
        """
        # Not rounded to levels: on a half, another implementation would round the other way.
        small = resize(levels, height, width, "bilinear")
        guess = self.coarse(small, resize_holes(holes, height, width))
        return enlarge(guess[:, :height, :width], *ops.shape(levels)[1:3])


def _levels_of(refined: Any) -> Any:
    return to_levels((refined + 1) * 127.5)


def binary(mask: Any) -> Any:
    """Return a uint8 mask of 0 and 1, or of grey levels, as float32 of 0 and 1."""
    levels = ops.cast(mask, "float32")
    highest = ops.max(levels, axis=(1, 2, 3), keepdims=True)
    return ops.cast(levels > ops.where(highest > 1, float(MID_GREY), 0.0), "float32")


def resize_holes(holes: Any, height: Any, width: Any) -> Any:
    """Resize masks `(B, H, W, 1)`: missing is every pixel that a missing one has a part in."""
    return ops.cast(resize(holes, height, width, "bilinear") > 0, "float32")


def reflected(batch: Any, multiple: int) -> Any:
    """Pad `(B, H, W, C)` at the bottom and right by reflection, to multiples of so many pixels."""
    for axis in (1, 2):
        size = ops.shape(batch)[axis]
        if isinstance(size, int) and size % multiple == 0:
            continue
        period = ops.maximum(2 * (size - 1), 1)
        # Of positive numbers: ONNX rounds quotients towards zero.
        place = ops.arange((size + multiple - 1) // multiple * multiple) % period
        batch = ops.take(batch, ops.minimum(place, period - place), axis=axis)
    return batch
