"""Networks on pictures that are too large for them: in pieces that fit into memory.

Known pixels are put back in the end, so that a network's output matters in the holes alone, and
what it depends on there ends some way around them. A piece is a box of the picture and a margin as
wide as the network looks; where the picture ends the piece ends, and the network sees its border.
So what comes out in the holes is what the whole picture would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import cv2
import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from inpaint_tf.inference.tiling import Box, cover
from inpaint_tf.layers import ContextualAttention
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.inpainting_model import with_mask_channels
from neuralgym_lite.backend import compiled, is_jax
from neuralgym_lite.errors import UserError

Array: TypeAlias = npt.NDArray[Any]
Graph: TypeAlias = Callable[..., Any]
Tell: TypeAlias = Callable[[float], object]

# Bytes that a network holds for a pixel and each of its first channels. An estimate, like the next:
# with both, whole processes stay within what they were allowed (docs/results/resolution.md).
BYTES_A_CHANNEL = 14
# Floats that attention holds for a patch and each channel of the features: four of them in the
# features, in what is pasted, and in what comes of it, each of them twice, and some on the way.
FLOATS_A_PATCH = 28
SCORE_MAPS = 4  # that attention holds at once where it is not streamed
CELL = 8  # pixels a side of a patch that is compared
WORK_OF_A_SCORE = 0.01  # in pixels of a network; for the progress that is told


class Stage(NamedTuple):
    """A part of a network, and the boxes of a picture that it is run on.

    Attributes:
        run: the part, as a graph for all sizes.
        margin: pixels around a box that it looks at.
        boxes: where its output matters.
    """

    run: Graph
    margin: int
    boxes: list[Box]


class LargeNetwork:
    """A network without attention on one picture of any size.

    Args:
        model: one that knows how far it looks.
        memory: bytes that it may take, beside TensorFlow and the picture.
        name: of the model, for messages.
    """

    def __init__(self, model: InpaintingModel, memory: int, name: str) -> None:
        self.model = model
        self.memory = memory
        self.name = name
        self._whole = _graph(model, lambda *seen: model(seen)["refined"], 3, 1)

    def __call__(
        self, masked: Array, mask: Array, tell: Tell, guess: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return what is in the holes of a picture, and where the attention looked.

        Args:
            masked: what the network is shown, `(H, W, 3)` float32 in [-1, 1]; sides are multiples
                of 8 and of what the model takes.
            mask: `(H, W, 1)` float32, 1 where missing.
            tell: called with the share of the work that is done.
            guess: what the second of two networks is shown in the holes, `(H, W, 3)`, instead of
                what the first makes of them.

        Returns:
            `(H, W, 3)` float32 in [-1, 1], right where the mask is 1; and of a network with
            attention `(H / 8, W / 8, 2)` int32 offsets, right where the holes depend on them.

        Raises:
            UserError: if it needs more memory than it may take.
        """
        stage = self._stage(self._whole, self.model.receptive_field or 0, mask)
        progress = _Progress(tell, mask.shape, [stage])
        return _run(stage, [masked, mask], np.zeros_like(masked), progress), None

    def _stage(self, run: Graph, margin: int, mask: Array, held: int = 0) -> Stage:
        """Plan a stage with pieces as large as the memory beside `held` bytes allows."""
        each = BYTES_A_CHANNEL * self.model.width
        grid = max(self.model.multiple, CELL)
        self._check((2 * margin + grid) ** 2 * each + held, mask)
        most = (self.memory - held) // each
        return Stage(run, margin, cover(mask[..., 0], margin, most, grid))

    def _check(self, least: int, mask: Array) -> None:
        if self.memory < least:
            height, width = mask.shape[:2]
            raise UserError(
                f"Model '{self.name}' takes at least {least / 1e9:.2f} GB for a photograph of "
                f"{width}x{height} pixels. Received: a memory of {self.memory / 1e9:.2f} GB"
                f"{'. Under TensorFlow attention takes less' if is_jax() else ''}"
            )


class LargeAttentionNetwork(LargeNetwork):
    """A network with contextual attention on one picture of any size.

    The coarse network guesses the holes piece by piece. Features are taken of the whole picture,
    attention rebuilds those that the holes depend on, and the holes are painted piece by piece.

    Args:
        model: of a coarse and a refinement network.
        memory: bytes that it may take, beside TensorFlow and the picture.
        name: of the model, for messages.
    """

    def __init__(self, model: ContextualAttentionModel, memory: int, name: str) -> None:
        super().__init__(model, memory, name)
        coarse, refinement = model.coarse, model.refinement
        self._coarse = _graph(coarse, lambda *seen: coarse(with_mask_channels(*seen)), 3, 1)
        self._features = _graph(
            refinement, lambda *seen: refinement.features(with_mask_channels(*seen)), 3, 1
        )
        self._paint = _graph(
            refinement,
            lambda *seen: refinement.decode(with_mask_channels(*seen[:2]), seen[2]),
            *(3, 1, 4 * model.width),
        )
        self._attentions: dict[int | None, Graph] = {}
        self._margins = (
            coarse.receptive_field,
            refinement.attention_encoder_field,
            refinement.decoder_field,
        )

    def __call__(
        self, masked: Array, mask: Array, tell: Tell, guess: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return what is in the holes of a picture, and where the attention looked."""
        attention, held = self._attention(mask)
        needed = _around(mask, self.model.refinement.attention_decoder_field)
        everywhere = np.ones_like(mask)
        stages = [
            self._stage(run, margin, where, held)
            for run, margin, where in zip(
                (self._coarse, self._features, self._paint),
                self._margins,
                (mask if guess is None else np.zeros_like(mask), everywhere, mask),
                strict=True,
            )
        ]
        cells = mask.size // CELL**2
        scores = np.count_nonzero(needed) // 4 * cells
        progress = _Progress(tell, mask.shape, stages, scores * WORK_OF_A_SCORE)

        if guess is None:
            guess = _run(stages[0], [masked, mask], np.zeros_like(masked), progress)
        seen = np.where(mask == 1, guess, masked)
        features = np.zeros((*needed.shape[:2], 4 * self.model.width), np.float32)
        features = _run(stages[1], [seen, mask], features, progress)
        attended, offsets = attention(features[None], mask[None], needed[None])
        progress.add(scores * WORK_OF_A_SCORE)
        attended = np.asarray(ops.cast(attended[0], "float32"))
        refined = _run(stages[2], [seen, mask, attended], np.zeros_like(masked), progress)
        return refined, np.asarray(offsets)[0]

    def _attention(self, mask: Array) -> tuple[Graph, int]:
        """Return the attention as a graph, and the bytes that it holds."""
        layer = self.model.refinement.attention
        cells = mask.size // CELL**2
        held = cells * FLOATS_A_PATCH * 4 * self.model.width * 4
        if is_jax():  # Streamed attention takes TensorFlow.
            self._check(held + SCORE_MAPS * 4 * cells**2, mask)
            return self._layer("gram", None), held
        from inpaint_tf.layers._attention_streamed import least_memory, most_memory

        least = least_memory(cells, layer.fuse_size)
        self._check(held + least, mask)
        memory = self.memory - held
        return self._layer(
            "streamed", None if memory > most_memory(cells, layer.fuse_size) else memory
        ), held

    def _layer(self, formulation: str, memory: int | None) -> Graph:
        """Return the attention in so much memory; a graph takes seconds to make, so it is kept."""
        if memory not in self._attentions:
            config = self.model.refinement.attention.get_config()
            layer = ContextualAttention.from_config(
                {**config, "formulation": formulation, "memory": memory}
            )
            self._attentions[memory] = _graph(
                layer,
                lambda features, mask, needed: layer(
                    features, features, mask, return_attention=True, needed=needed
                ),
                *(4 * self.model.width, 1, 1),
            )
        return self._attentions[memory]


class _Progress:
    """Tells which share of the work is done.

    Args:
        tell: called with it.
        shape: of the picture.
        stages: whose pieces are work.
        more: work beside them, in pixels.
    """

    def __init__(
        self, tell: Tell, shape: Sequence[int], stages: Sequence[Stage], more: float = 0
    ) -> None:
        self.tell = tell
        self.done = 0.0
        pieces = [box.grown(each.margin, *shape[:2]) for each in stages for box in each.boxes]
        self.all = more + sum(piece.area for piece in pieces)

    def add(self, work: float) -> None:
        """Tell that more is done."""
        self.done += work
        self.tell(self.done / self.all)


def _run(stage: Stage, inputs: Sequence[Array], output: Array, progress: _Progress) -> Array:
    """Run a stage on its boxes, and return `output` with what comes of them.

    Inputs and output cover the whole picture, each in a resolution of its own.
    """
    height, width = inputs[0].shape[:2]
    for box in stage.boxes:
        outer = box.grown(stage.margin, height, width)
        crops = [each[outer.scaled(len(each) / height).slices][None] for each in inputs]
        scale = len(output) / height
        inside = box.scaled(scale).within(outer.scaled(scale))
        output[box.scaled(scale).slices] = np.asarray(stage.run(*crops)[0])[inside]
        progress.add(outer.area)
    return output


def _graph(layer: keras.layers.Layer, function: Graph, *channels: int) -> Graph:
    """Compile a function of pictures with so many channels, which uses the weights of a layer."""
    return compiled(function, layer.variables, [(1, None, None, count) for count in channels])


def _around(mask: Array, reach: int) -> Array:
    """Return the features within reach of a missing pixel: `(H / 4, W / 4, 1)` float32."""
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = cv2.dilate(mask[..., 0].astype(np.uint8), kernel)
    height, width = near.shape
    return (
        near.reshape(height // 4, 4, width // 4, 4).max(axis=(1, 3))[..., None].astype(np.float32)
    )
