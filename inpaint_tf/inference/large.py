"""Networks on pictures that are too large for them: in pieces that fit into memory.

Known pixels are put back in the end, so a network's output matters in the holes alone, and it
depends on nothing beyond the receptive field around them. A piece is a box of the picture with a
margin as wide as the receptive field. Where the picture ends the piece ends too, so that the
network sees the picture's border. The pieces give what the whole picture would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from inpaint_tf.inference.inpainter import OnProgress, Options
from inpaint_tf.inference.tiling import Box, cover
from inpaint_tf.layers import ContextualAttention
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.filling import features_near
from neuralgym_lite.backend import compiled, is_jax
from neuralgym_lite.errors import UserError

Array: TypeAlias = npt.NDArray[Any]
Graph: TypeAlias = Callable[..., Any]

# Bytes that a network holds for a pixel and each of its first channels. An estimate, like the next:
# with both, whole processes stay within their memory (docs/results/resolution.md).
BYTES_A_CHANNEL = 14
# Floats that attention holds for a patch and each channel of the features: four of them in the
# features, in what is pasted, and in what is computed from it, each of them twice, and temporaries.
FLOATS_A_PATCH = 28
SCORE_MAPS = 4  # that attention holds at once where it is not streamed
CELL = 8  # pixels a side of a patch that is compared
WORK_OF_A_SCORE = 0.01  # in pixels of a network; for the progress that is reported


class Stage(NamedTuple):
    """A part of a network, and what it runs on.

    Attributes:
        run: the part, as a graph for all sizes.
        pieces: boxes of the picture in which its output matters, each with the larger box that this
            output depends on.
    """

    run: Graph
    pieces: list[tuple[Box, Box]]

    @property
    def work(self) -> int:
        """Its pixels."""
        return sum(outer.area for _, outer in self.pieces)


class LargeNetwork:
    """A network without attention on one picture of any size.

    Args:
        model: one with a receptive field.
        memory: bytes that it may take, beside TensorFlow and the picture.
        name: of the model, for messages.
    """

    def __init__(self, model: InpaintingModel, memory: int, name: str) -> None:
        self.model = model
        self.memory = memory
        self.name = name
        self._whole = _graph(model, lambda *inputs: model(inputs)["refined"], 3, 1)

    def __call__(
        self, masked: Array, mask: Array, options: Options, guess: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return the content of a picture's holes, and the offsets of the attention.

        Args:
            masked: the network's input, `(H, W, 3)` float32 in [-1, 1]; sides are multiples of 8
                and of the model's multiple.
            mask: `(H, W, 1)` float32, 1 where missing.
            options: of the fill; for `return_attention` and `on_progress`.
            guess: `(H, W, 3)`, replaces in the holes what the first of two networks makes.

        Returns:
            `(H, W, 3)` float32 in [-1, 1], right where the mask is 1; and of a network with
            attention `(H / 8, W / 8, 2)` int32 offsets, right where the holes depend on them.

        Raises:
            UserError: if it needs more memory than it may take.
        """
        stage = self._stage(self._whole, self.model.receptive_field or 0, mask)
        progress = _Progress(options.on_progress, stage.work)
        return _run(stage, [masked, mask], np.zeros_like(masked), progress), None

    def _stage(self, run: Graph, margin: int, mask: Array, held: int = 0) -> Stage:
        """Plan a stage with pieces as large as the memory beside `held` bytes allows."""
        each = BYTES_A_CHANNEL * self.model.width
        grid = max(self.model.multiple, CELL)
        self._check((2 * margin + grid) ** 2 * each + held, mask)
        boxes = cover(mask[..., 0], margin, (self.memory - held) // each, grid)
        return Stage(run, [(box, box.grown(margin, *mask.shape[:2])) for box in boxes])

    def _check(self, least: int, mask: Array) -> None:
        if self.memory < least:
            height, width = mask.shape[:2]
            raise UserError(
                f"Model '{self.name}' takes at least {least / 1e9:.2f} GB for a photograph of "
                f"{width}x{height} pixels. Received: a memory of {self.memory / 1e9:.2f} GB"
            )


class LargeAttentionNetwork(LargeNetwork):
    """A network with contextual attention on one picture of any size.

    The coarse network guesses the holes piece by piece. Features are computed of the whole picture,
    attention rebuilds those that the holes depend on, and the holes are decoded piece by piece.

    Args:
        model: of a coarse and a refinement network.
        memory: bytes that it may take, beside TensorFlow and the picture.
        name: of the model, for messages.
    """

    def __init__(self, model: ContextualAttentionModel, memory: int, name: str) -> None:
        super().__init__(model, memory, name)
        refinement = self.refinement = model.refinement
        self._guess = _graph(model, model.guess, 3, 1), model.coarse.receptive_field
        self._features = _graph(model, model.features, 3, 1), refinement.attention_encoder_field
        decode = _graph(model, model.decode, 3, 1, 4 * model.width)
        self._decode = decode, refinement.decoder_field
        self._attentions: dict[tuple[int | None, bool], Graph] = {}

    def __call__(
        self, masked: Array, mask: Array, options: Options, guess: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return the content of a picture's holes, and the offsets of the attention."""
        memory, held = self._attention_memory(mask)
        attention = self._attention(memory, options.return_attention)
        needed = np.asarray(features_near(mask[None], self.refinement.attention_decoder_field))
        stages = [
            self._stage(*part, where, held)
            for part, where in (
                (self._guess, mask if guess is None else np.zeros_like(mask)),
                (self._features, np.ones_like(mask)),
                (self._decode, mask),
            )
        ]
        scores = np.count_nonzero(needed) // 4 * (mask.size // CELL**2) * WORK_OF_A_SCORE
        work = scores + sum(stage.work for stage in stages)
        progress = _Progress(options.on_progress, work)

        if guess is None:
            guess = _run(stages[0], [masked, mask], np.zeros_like(masked), progress)
        pasted = np.where(mask == 1, guess, masked)
        features = np.zeros((*needed.shape[1:3], 4 * self.model.width), np.float32)
        features = _run(stages[1], [pasted, mask], features, progress)
        attended = attention(features[None], mask[None], needed)
        attended, offsets = attended if options.return_attention else (attended, None)
        progress.add(scores)
        attended = np.asarray(ops.cast(attended[0], "float32"))
        refined = _run(stages[2], [pasted, mask, attended], np.zeros_like(masked), progress)
        return refined, None if offsets is None else np.asarray(offsets)[0]

    def _attention_memory(self, mask: Array) -> tuple[int | None, int]:
        """Return the bytes for score maps, None where all may be taken, and those held beside."""
        cells, fuse_size = mask.size // CELL**2, self.refinement.attention.fuse_size
        held = cells * FLOATS_A_PATCH * 4 * self.model.width * 4
        if is_jax():  # Streamed attention needs TensorFlow.
            self._check(held + SCORE_MAPS * 4 * cells**2, mask)
            return None, held
        from inpaint_tf.layers._attention_streamed import least_memory, most_memory

        self._check(held + least_memory(cells, fuse_size), mask)
        memory = self.memory - held
        return None if memory > most_memory(cells, fuse_size) else memory, held

    def _attention(self, memory: int | None, return_attention: bool) -> Graph:
        """Return the attention as a graph; making one takes seconds, so it is kept."""
        key = memory, return_attention
        if key not in self._attentions:
            config = {**self.refinement.attention.get_config(), "memory": memory}
            config["formulation"] = "gram" if is_jax() else "streamed"
            layer = ContextualAttention.from_config(config)

            def attend(features: Any, mask: Any, needed: Any) -> Any:
                options = {"return_attention": return_attention, "needed": needed}
                return layer(features, features, mask, **options)

            self._attentions[key] = _graph(layer, attend, 4 * self.model.width, 1, 1)
        return self._attentions[key]


@dataclass
class _Progress:
    """Reports which share of all the work, in pixels, is done."""

    on_progress: OnProgress
    all: float
    done: float = 0.0

    def add(self, work: float) -> None:
        """Report that more is done."""
        self.done += work
        self.on_progress(self.done / self.all)


def _run(stage: Stage, inputs: Sequence[Array], output: Array, progress: _Progress) -> Array:
    """Run a stage on its boxes, and return `output` with its results.

    Inputs and output cover the whole picture, each in a resolution of its own.
    """
    height = len(inputs[0])
    scale = len(output) / height
    for box, outer in stage.pieces:
        crops = [each[outer.scaled(len(each) / height).slices][None] for each in inputs]
        inside = box.scaled(scale).within(outer.scaled(scale))
        output[box.scaled(scale).slices] = np.asarray(stage.run(*crops)[0])[inside]
        progress.add(outer.area)
    return output


def _graph(layer: keras.layers.Layer, function: Graph, *channels: int) -> Graph:
    """Compile a function of pictures with so many channels, which uses the weights of a layer."""
    return compiled(function, layer.variables, [(1, None, None, count) for count in channels])
