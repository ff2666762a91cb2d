"""A callback that draws previews and computes validation losses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.preview import Preview
from inpaint_tf.training.validation import Validation
from neuralgym_lite.callbacks import IterationCallback, drop_lines_after
from neuralgym_lite.events import EventFile
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import Picture

FIRST_PREVIEW = 20  # Rounds after which a user sees whether the data are right.


class PreviewCallback(IterationCallback):
    """Writes pictures, scores and validation losses to the run folder.

    It does so at the beginning of a run, after its first rounds, every `preview_every` iterations,
    and at the end of each phase. It uses the average of the generator's weights, if the trainer
    keeps one.

    Args:
        run: The run folder.
        preview: Makes the pictures and scores.
        validation: Computes the losses.
        config: Settings of the run.
        counting: Keywords of `IterationCallback`.

    Attributes:
        scores: Scores and losses of the last preview.
    """

    needs_weights = True

    def __init__(
        self,
        run: RunFolder,
        preview: Preview,
        validation: Validation,
        config: TrainConfig,
        **counting: int,
    ) -> None:
        super().__init__(config.preview_every, **counting)
        self.run = run
        self.preview = preview
        self.validation = validation
        self.early = FIRST_PREVIEW * config.n_critic
        self.scores: dict[str, float] = {}
        self._drawn_at: int | None = None

    def scores_at(self, iteration: int) -> dict[str, float]:
        """Return the scores of an iteration, or nothing if there was no preview."""
        return self.scores if self._drawn_at == iteration else {}

    def is_due(self, before: int, iteration: int) -> bool:
        """Return whether to draw after a step from one iteration to another."""
        return super().is_due(before, iteration) or before < self.early <= iteration

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Drop the scores that will be written again, and draw the untrained network."""
        super().on_train_begin(logs)
        if not drop_lines_after(self.run.validation, self.initial_iteration):
            self.draw()

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """Draw a preview."""
        self.draw()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Draw the last preview of a phase."""
        if self._drawn_at != self.iteration:
            self.draw()

    def draw(self) -> None:
        """Write a preview of the current weights."""
        with self.model.averaged():
            scores, pictures = self.preview.run()
            self.scores = {**scores, **self.validation.run()}
        self._drawn_at = self.iteration
        images, number = self.run.images, f"{self.iteration:08d}"
        write_picture(images / f"iteration-{number}.png", Picture(pictures["grid"]))
        write_picture(images / f"filled-{number}.png", Picture(pictures["filled"]))
        write_picture(images / "truth.png", Picture(pictures["truth"]))
        with self.run.validation.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": self.iteration, **self.scores}) + "\n")
        events = EventFile(self.run.tensorboard)
        events.image(self.iteration, "preview", pictures["grid"])
        events.scalars(self.iteration, self.scores)
