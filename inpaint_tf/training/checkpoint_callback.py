"""A callback that saves checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inpaint_tf.training.checkpoints import SCORE, Checkpoints
from inpaint_tf.training.preview_callback import PreviewCallback
from neuralgym_lite.callbacks import IterationCallback


class CheckpointCallback(IterationCallback):
    """Saves a checkpoint every `checkpoint_every` iterations, and at the end of each phase.

    Args:
        checkpoints: Writes the files.
        order: Order of the photographs, as for `RoundDataset`.
        preview: Has the score of the checkpoint, if it ran at the same iteration.
        counting: Keywords of `IterationCallback`.
    """

    needs_weights = True

    def __init__(
        self,
        checkpoints: Checkpoints,
        order: int,
        preview: PreviewCallback,
        **counting: int,
    ) -> None:
        super().__init__(checkpoints.config.checkpoint_every, **counting)
        self.checkpoints = checkpoints
        self.order = order
        self.preview = preview
        self._saved_at: int | None = None

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Start to write a checkpoint."""
        self.checkpoints.save(iteration, self.order, self.preview.scores_at(iteration).get(SCORE))
        self._saved_at = iteration

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Save the last checkpoint of a phase."""
        if self._saved_at != self.iteration:
            self.act(self.iteration, {})
