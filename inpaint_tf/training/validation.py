"""The training's own loss, on photographs that it trains on and on photographs that it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.report.evaluation import draw
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.trainer import Trainer

BATCH_SIZE = 8


class Validation:
    """Takes the reconstruction loss of fixed photographs with fixed masks, at inference.

    As many photographs of the training split as of the test split, under the same masks: what the
    two losses differ by is what the network knows by heart.

    Args:
        trainer: in training.
        photos: its data set.
        config: settings of the run.
        count: photographs of each split.
    """

    def __init__(
        self, trainer: Trainer, photos: PhotoSet, config: TrainConfig, count: int = 64
    ) -> None:
        fewest = min(len(photos.train), len(photos.test))
        size = min(BATCH_SIZE, fewest)
        # Of so few photographs, broken ones may be a large share; the training counts them all.
        plain = config.data.model_copy(update={"flip": False, "smallest_crop": 1.0})
        changes = {"n_critic": 1, "batch_size": size, "max_bad_photos": 1.0, "data": plain}
        alone = config.model_copy(update=changes)
        batches = min(count, fewest) // size
        self._rounds = {}
        for name, keys in (("train_loss", photos.train), ("val_loss", photos.test)):
            shown = replace(photos, train=draw(keys, batches * size))
            maker = RoundDataset(shown, alone)
            self._rounds[name] = [maker.make(i) for i in range(batches)]
        self._loss = tf.function(trainer.validation_loss)

    def run(self) -> dict[str, float]:
        """Return the mean losses `train_loss` and `val_loss`."""
        return {name: self._mean(rounds) for name, rounds in self._rounds.items()}

    def _mean(self, rounds: list[dict[str, Any]]) -> float:
        return float(np.mean([self._loss(round_).numpy() for round_ in rounds]))
