"""The loss on photographs of both splits, of which there may be few."""

from __future__ import annotations

import types

import pytest
import tensorflow as tf

from inpaint_tf.data import open_photos
from inpaint_tf.training.config import DataConfig, TrainConfig
from inpaint_tf.training.validation import Validation


@pytest.mark.parametrize(("subset", "count"), [(1, 1), (7, 7), (9, 8), (20, 16)])
def test_as_many_photographs_of_each_split(subset, count):
    seen = []

    def loss(data):
        seen.append(data["image"].shape[0])
        return tf.reduce_mean(tf.cast(data["image"], "float32"))

    photos = open_photos("samples", None, subset)
    validation = Validation(
        types.SimpleNamespace(validation_loss=loss, variables=[]),
        photos,
        TrainConfig(data=DataConfig(image_size=16)),
    )
    losses = validation.run()
    assert losses.keys() == {"train_loss", "val_loss"}
    assert losses["train_loss"] != losses["val_loss"]
    assert [len(rounds) for rounds in validation._rounds.values()] == [count // seen[0]] * 2
