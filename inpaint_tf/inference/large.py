"""Networks on pictures of any size: in pieces that fit into memory, and around the holes alone.

Known pixels are put back in the end, so a network's output matters in the holes alone, and it
depends on nothing beyond the receptive field around them. A piece is a box of the picture with a
margin as wide as the receptive field. Where the picture ends the piece ends too, so that the
network sees the picture's border. The pieces give what the whole picture would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from inpaint_tf.inference.attention import least_memory
from inpaint_tf.inference.inpainter import OnProgress, Options
from inpaint_tf.inference.stages import Array, Part, Stages
from inpaint_tf.inference.tiling import Box, cover
from neuralgym_lite.errors import UserError

# Bytes that a network holds for a pixel and each of its first channels. An estimate, like the next:
# with both, whole processes stay within their memory (docs/results/resolution.md).
BYTES_A_CHANNEL = 14
# Floats that attention holds for a patch and each channel of the features: four of them in the
# features, in what is pasted, and in what is computed from it, each of them twice, and temporaries.
FLOATS_A_PATCH = 28
CELL = 8  # pixels a side of a patch that is compared
FEATURE = 4  # pixels a side of a feature
# Pixels of a picture up to which all is done at once, but for holes and their surroundings.
LARGE = 512 * 512
WORK_OF_A_SCORE = 0.01  # in pixels of a network; for the progress that is reported


class Stage(NamedTuple):
    """A part of a network, and what it runs on.

    Attributes:
        run: the part; its last argument is the box that is needed.
        pieces: boxes of the picture in which its output matters, each with the larger box that this
            output depends on.
    """

    run: Part
    pieces: list[tuple[Box, Box]]

    @property
    def work(self) -> int:
        """Its pixels."""
        return sum(outer.area for _, outer in self.pieces)


class LargeNetwork:
    """A network without attention on one picture of any size.

    Args:
        run: the network, as a part.
        width: of the network, in channels.
        receptive_field: its radius, in pixels.
        multiple: pixels that the sides of a piece are multiples of.
        memory: bytes that it may take, beside TensorFlow and the picture.
        name: of the model, for messages.
    """

    errors: tuple[type[Exception], ...] = (MemoryError,)

    def __init__(
        self, run: Part, width: int, receptive_field: int, multiple: int, memory: int, name: str
    ) -> None:
        self.width = width
        self.multiple = max(multiple, CELL)
        self.memory = memory
        self.name = name
        self._whole = run, receptive_field

    def __call__(
        self, masked: Array, mask: Array, options: Options, guess: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return the content of a picture's holes, and the offsets of the attention.

        Args:
            masked: the network's input, `(H, W, 3)` float32 in [-1, 1]; sides are multiples of
                `multiple`.
            mask: `(H, W, 1)` float32, 1 where missing.
            options: of the fill.
            guess: `(H, W, 3)`, replaces in the holes what the first of two networks makes.

        Returns:
            `(H, W, 3)` float32 in [-1, 1], right where the mask is 1; and of a network with
            attention `(H / 8, W / 8, 2)` int32 offsets, right where the holes depend on them.

        Raises:
            UserError: if it needs more memory than it may take.
        """
        stage = self._stage(*self._whole, _wanted(mask, options))
        progress = _Progress(options.on_progress, stage.work)
        return _run(stage, [masked, mask], np.zeros_like(masked), progress), None

    def _stage(self, run: Part, margin: int, mask: Array, held: int = 0) -> Stage:
        """Plan a stage with pieces as large as the memory beside `held` bytes allows."""
        each = BYTES_A_CHANNEL * self.width
        self._check((2 * margin + self.multiple) ** 2 * each + held, mask)
        boxes = cover(mask[..., 0], margin, (self.memory - held) // each, self.multiple)
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
        stages: the parts of the network.
        memory: bytes that it may take, beside TensorFlow and the picture.
        name: of the model, for messages.
    """

    def __init__(self, stages: Stages, memory: int, name: str) -> None:
        super().__init__(stages.guess, stages.width, stages.guess_field, CELL, memory, name)
        self.stages = stages
        self.errors = stages.errors

    def __call__(
        self, masked: Array, mask: Array, options: Options, guess: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return the content of a picture's holes, and the offsets of the attention."""
        parts, wanted = self.stages, _wanted(mask, options)
        height, width = (side // CELL for side in mask.shape[:2])
        held = height * width * FLOATS_A_PATCH * 4 * self.width * 4
        self._check(held + least_memory(height, width), mask)
        everywhere = np.ones_like(mask)
        to_guess = mask if guess is None else np.zeros_like(mask)
        stages = [
            self._stage(part, field, where, held)
            for part, field, where in (
                (parts.guess, parts.guess_field, to_guess),
                (parts.features, parts.features_field, everywhere),
                (parts.decode, parts.decode_field, wanted),
            )
        ]
        # All offsets are wanted of pictures that are not too large for an attention map.
        all_offsets = options.return_attention and mask[..., 0].size <= LARGE
        needed = features_near(everywhere if all_offsets else wanted, parts.attended_field)
        scores = np.count_nonzero(needed) // 4 * height * width * WORK_OF_A_SCORE
        work = scores + sum(stage.work for stage in stages)
        progress = _Progress(options.on_progress, work)

        if guess is None:
            guess = _run(stages[0], [masked, mask], np.zeros_like(masked), progress)
        pasted = np.where(mask == 1, guess, masked)
        features = np.zeros((*needed.shape, 4 * self.width), np.float32)
        features = _run(stages[1], [pasted, mask], features, progress)
        attended, offsets = parts.attend(features, mask, needed, self.memory - held)
        progress.add(scores)
        refined = _run(stages[2], [pasted, mask, attended], np.zeros_like(masked), progress)
        return refined, offsets if options.return_attention else None

    def whole_guess(self, masked: Array, mask: Array) -> Array:
        """Return what the coarse network makes of a whole picture, at once."""
        return self.stages.guess(masked, mask, Box(0, 0, *mask.shape[:2]))


def features_near(mask: Array, distance: int) -> Array:
    """Return which features lie within so many pixels of a hole, `(H / 4, W / 4)` bool."""
    height, width = (side // FEATURE for side in mask.shape[:2])
    holes = mask.reshape(height, FEATURE, width, FEATURE).max(axis=(1, 3))
    side = 2 * -(-distance // FEATURE) + 1
    return np.asarray(cv2.dilate(holes, np.ones((side, side))) > 0)


def _wanted(mask: Array, options: Options) -> Array:
    """Return where the network's output is wanted."""
    return mask if options.holes_only else np.ones_like(mask)


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
        crops = [each[outer.scaled(len(each) / height).slices] for each in inputs]
        output[box.scaled(scale).slices] = stage.run(*crops, box.within(outer))
        progress.add(outer.area)
    return output
