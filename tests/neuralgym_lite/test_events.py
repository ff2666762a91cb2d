"""TensorBoard events, read by TensorFlow."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from neuralgym_lite.events import EventFile, drop_events_after


def read(path):
    """Return (step, tag) to value, as TensorFlow reads the file."""
    return {
        (event.step, value.tag): tf.make_ndarray(value.tensor)
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_scalars_and_pictures(tmp_path):
    rows = np.linspace(0, 255, 32).astype("uint8")
    picture = np.broadcast_to(rows[:, None, None], (32, 24, 3))
    events = EventFile(tmp_path / "events")
    events.scalars(5, {"loss": 0.25, "critic/loss": 2.0})
    events.image(7, "preview", picture)
    found = read(events.path)
    assert {key: float(found[key]) for key in found if key[0] == 5} == {
        (5, "loss"): 0.25,
        (5, "critic/loss"): 2.0,
    }
    width, height, encoded = found[7, "preview"]
    assert (int(width), int(height)) == (24, 32)
    shown = np.asarray(Image.open(io.BytesIO(encoded)), int)
    assert np.abs(shown - picture).max() < 8


def test_tensorboard_finds_them(tmp_path):
    events = EventFile(tmp_path)
    events.scalars(5, {"loss": 0.25})
    events.image(7, "preview", np.zeros((8, 8, 3), "uint8"))
    accumulated = EventAccumulator(str(tmp_path)).Reload()
    tags = accumulated.Tags()["tensors"]
    assert sorted(tags) == ["loss", "preview"]
    plugins = [accumulated.SummaryMetadata(tag).plugin_data.plugin_name for tag in sorted(tags)]
    assert plugins == ["scalars", "images"]


@pytest.mark.parametrize("damage", ["none", "half an event", "half a length", "noise"])
def test_later_events_and_broken_ends_are_dropped(tmp_path, damage):
    events = EventFile(tmp_path)
    for step in (2, 4, 6):
        events.scalars(step, {"loss": float(step)})
    with events.path.open("r+b") as file:
        if damage == "half an event":
            file.truncate(events.path.stat().st_size - 9)
        file.seek(0, io.SEEK_END)
        if damage != "none":
            file.write({"half a length": b"\x01\x02"}.get(damage, b"\xff" * 40))
    drop_events_after(tmp_path, 4)
    assert {step for step, _ in read(events.path)} == {2, 4}
    drop_events_after(tmp_path, 3)
    assert {step for step, _ in read(events.path)} == {2}
    assert [path.name for path in tmp_path.iterdir()] == [events.path.name]


def test_events_of_tensorflow_are_kept(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default(step=3):
        tf.summary.scalar("loss", 0.5)
    writer.close()
    drop_events_after(tmp_path, 3)
    (path,) = tmp_path.iterdir()
    assert {key: float(value) for key, value in read(path).items()} == {(3, "loss"): 0.5}


def test_a_missing_folder(tmp_path):
    drop_events_after(tmp_path / "missing", 3)
    assert list(tmp_path.iterdir()) == []
