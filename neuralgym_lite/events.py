"""TensorBoard event files, written and read without TensorFlow."""

from __future__ import annotations

import io
import itertools
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.image.metadata import create_summary_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from neuralgym_lite.folders import atomic_write

_HEADER = struct.Struct("<QI")  # Length of the event, and the checksum of that length.
_CHECKSUM = 4  # Bytes after the event.
_JPEG_QUALITY = 95
_LARGEST_JPEG = 65_500  # Pixels of a side.
_numbers = itertools.count()


class EventFile:
    """A new file of TensorBoard events in a folder, which is made if it is missing."""

    def __init__(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = f"{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}.v2"
        self.path = Path(folder, f"events.out.tfevents.{name}")
        self._append([Event(file_version="brain.Event:2")])

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write named numbers."""
        summaries = [scalar_pb(name, value) for name, value in values.items()]
        self._append([Event(step=step, summary=summary) for summary in summaries])

    def image(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """Write a uint8 RGB picture `(H, W, 3)`.

        It is stored as JPEG, because the checksum takes 0.4 s a megabyte in Python; as PNG if it
        is too large for JPEG.
        """
        encoded = io.BytesIO()
        kind = "JPEG" if max(picture.shape) <= _LARGEST_JPEG else "PNG"
        Image.fromarray(picture).save(encoded, kind, quality=_JPEG_QUALITY)
        height, width = (str(size).encode() for size in picture.shape[:2])
        value = Summary.Value(
            tag=name,
            metadata=create_summary_metadata(display_name=None, description=None),
            tensor=make_tensor_proto([width, height, encoded.getvalue()]),
        )
        self._append([Event(step=step, summary=Summary(value=[value]))])

    def _append(self, events: Sequence[Any]) -> None:
        # Closed each time, so that all events are on the disk if the process ends.
        with self.path.open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                event.wall_time = time.time()
                writer.write(event.SerializeToString())


def drop_events_after(folder: Path, iteration: int) -> None:
    """Drop the events of later iterations from a folder, which a resumed run writes again."""
    for path in sorted(folder.glob("events.out.tfevents.*")):
        kept = [record for step, record in _records(path) if step <= iteration]
        atomic_write(path, b"".join(kept))


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the step and the bytes of each whole event: a killed process may leave half of one."""
    data = path.read_bytes()
    start = 0
    while start + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, start)
        begin = start + _HEADER.size
        stop = begin + length + _CHECKSUM
        if checksum != masked_crc32c(data[start : start + 8]) or stop > len(data):
            return
        try:
            event = Event.FromString(data[begin : begin + length])
        except DecodeError:
            return
        yield event.step, data[start:stop]
        start = stop
