"""Requests that TF Serving replays when it loads a model, so that none of its users waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warmup(folder: Path, requests: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Write the requests where TF Serving looks for them.

    Args:
        folder: of a version of a model.
        requests: pairs of a signature and its inputs; at most 1000.

    Reference:
        TensorFlow Serving's guide "SavedModel Warmup".
    """
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(prediction_log(signature, inputs))


def prediction_log(signature: str, inputs: Mapping[str, Any]) -> bytes:
    """Return a request as a serialized `tensorflow.serving.PredictionLog`.

    Written by the numbers of its fields, which never change: the package that has the classes is
    needed by clients and servers alone.
    """
    model_spec = _field(3, signature.encode())
    entries = [
        _field(1, name.encode()) + _field(2, tf.make_tensor_proto(value).SerializeToString())
        for name, value in inputs.items()
    ]
    request = _field(1, model_spec) + b"".join(_field(2, entry) for entry in entries)
    return _field(6, _field(1, request))  # predict_log, and its request


def _field(number: int, content: bytes) -> bytes:
    """Return a field of bytes in the wire format of Protocol Buffers."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size % 128 + 128)
        size //= 128
    length.append(size)
    return bytes([number * 8 + 2]) + bytes(length) + content
