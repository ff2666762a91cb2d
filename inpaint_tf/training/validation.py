"""The loss of the training, on photographs of both splits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.data.split import draw
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.trainer import Trainer
from neuralgym_lite.backend import compiled

COUNT = 64  # Photographs of each split.
BATCH_SIZE = 8


class Validation:
    """Computes the reconstruction loss of fixed photographs with fixed masks, at inference.

    It takes as many photographs of the training split as of the test split, under the same masks:
    the difference of the two losses shows how much the network overfits.

    Args:
        trainer: The trainer.
        photos: The data set.
        config: Settings of the run.
    """

    def __init__(self, trainer: Trainer, photos: PhotoSet, config: TrainConfig) -> None:
        fewest = min(len(photos.train), len(photos.test))
        size = min(BATCH_SIZE, fewest)
        # Unreadable photographs may be a large share of so few. The training counts all of them.
        plain = config.data.model_copy(update={"flip": False, "smallest_crop": 1.0})
        changes = {"n_critic": 1, "batch_size": size, "max_bad_photos": 1.0, "data": plain}
        changed = config.model_copy(update=changes)
        batches = min(COUNT, fewest) // size
        self._rounds = {}
        for name, keys in (("train_loss", photos.train), ("val_loss", photos.test)):
            drawn = replace(photos, train=draw(keys, batches * size))
            dataset = RoundDataset(drawn, changed)
            self._rounds[name] = [dataset.make(i) for i in range(batches)]
        self._loss = compiled(trainer.validation_loss, trainer.variables)

    def run(self) -> dict[str, float]:
        """Return the mean losses `train_loss` and `val_loss`, with the current weights."""
        return {name: self._mean(rounds) for name, rounds in self._rounds.items()}

    def _mean(self, rounds: list[dict[str, Any]]) -> float:
        return float(np.mean([np.asarray(self._loss(round_)) for round_ in rounds]))
