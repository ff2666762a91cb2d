"""Fills with a model in TensorFlow Serving, over REST or gRPC."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead, InvalidURL
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inpaint_tf.inference.engines import Engine, UInt8
from neuralgym_lite.errors import UserError
from neuralgym_lite.quiet import import_tensorflow

SIGNATURE = "bytes"
GRPC = "grpc://"
DEADLINE = 60.0  # seconds for one photograph, with all attempts
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two attempts
BUSY = (429, 502, 503, 504)  # HTTP status codes of temporary errors
MESSAGE_BYTES = 256 * 2**20
LATE = "the answer was not whole in time"
Ask = Callable[[dict[str, bytes], float], bytes]


class ServerBusyError(Exception):
    """The server cannot be reached, is overloaded, or sent an incomplete answer: try again."""


def server_engine(url: str, deadline: float = DEADLINE) -> Engine:
    """Return what sends photographs to a server, one by one, as PNG files.

    A request is repeated until the deadline if the server cannot be reached, is overloaded, or
    sends an incomplete answer. Any other answer that is not an image is an error.

    Args:
        url: `http://HOST:PORT/v1/models/NAME`, or `grpc://HOST:PORT/NAME`.
        deadline: seconds that a photograph may take, with all attempts, default 60.

    Raises:
        UserError: if the URL is not one of a model, or the packages of gRPC are not installed.
    """
    ask = _over_grpc(url) if url.startswith(GRPC) else _over_rest(url)

    def fill(image: UInt8, mask: UInt8) -> UInt8:
        files = {"image": _png(image[..., ::-1]), "mask": _png(mask * 255)}
        answer = _retried(lambda left: ask(files, left), deadline)
        return _picture(answer, image.shape)

    def run(images: UInt8, masks: UInt8) -> Mapping[str, NDArray[Any]]:
        return {"output": np.stack([fill(*pair) for pair in zip(images, masks, strict=True)])}

    return run


def _over_grpc(url: str) -> Ask:
    """Return a function that sends requests by gRPC, over one connection.

    Raises:
        UserError: if the packages for it are not installed.
    """
    import_tensorflow()
    try:
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    except ImportError as error:
        raise UserError(
            f"gRPC needs '{error.name}': pip install 'inpaint-tf[serving]', or give the URL of "
            "REST, http://HOST:PORT/v1/models/NAME"
        ) from None
    address, _, model = url.removeprefix(GRPC).partition("/")
    if not model:
        raise UserError(f"'{url}' is no URL of a model: it is grpc://HOST:PORT/NAME")
    sizes = [(f"grpc.max_{way}_message_length", MESSAGE_BYTES) for way in ("send", "receive")]
    stub = prediction_service_pb2_grpc.PredictionServiceStub(
        grpc.insecure_channel(address, options=sizes)
    )
    later = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

    def ask(files: dict[str, bytes], seconds: float) -> bytes:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        request.model_spec.signature_name = SIGNATURE
        for name, content in files.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto([content]))
        try:
            answer = stub.Predict(request, timeout=seconds)
        except grpc.RpcError as error:
            if error.code() in later:
                raise ServerBusyError(error.details()) from error
            raise UserError(f"{error.code().name}: {error.details()}") from error
        found = answer.outputs["output_bytes"].string_val
        if len(found) != 1:
            raise UserError("The server's answer has no `output_bytes` of one photograph")
        return bytes(found[0])

    return ask


def _over_rest(url: str) -> Ask:
    """Return a function that sends requests by REST.

    Raises:
        UserError: if it is not a URL.
    """
    try:
        place = urlsplit(f"{url.rstrip('/')}:predict")
        connect = HTTPSConnection if place.scheme == "https" else HTTPConnection
        connect(place.netloc)
    except (ValueError, InvalidURL) as error:
        raise UserError(f"'{url}' is no URL of a model: {error}") from error

    def ask(files: dict[str, bytes], seconds: float) -> bytes:
        inputs = {
            name: [{"b64": base64.b64encode(content).decode()}] for name, content in files.items()
        }
        body = json.dumps({"signature_name": SIGNATURE, "inputs": inputs}).encode()
        status, content = _post(connect(place.netloc, timeout=seconds), place.path, body)
        if status in BUSY:
            raise ServerBusyError(f"HTTP {status}")
        if status != 200:
            raise UserError(f"HTTP {status}: {_reason(content)}")
        try:
            return base64.b64decode(json.loads(content)["outputs"][0]["b64"], validate=True)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise UserError(
                f"The server's answer has no picture ({type(error).__name__}): {_start(content)}"
            ) from error

    return ask


def _post(connection: HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    """Return the status and content of a complete answer."""
    with contextlib.closing(connection), _ended_in_time(connection) as late:
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read(MESSAGE_BYTES + 1)
        except (OSError, HTTPException) as error:
            if late.is_set():
                raise ServerBusyError(LATE) from error
            if isinstance(error, OSError | IncompleteRead):  # no connection, or a lost one
                raise ServerBusyError(str(error)) from error
            raise UserError(f"The server does not speak HTTP ({error!r})") from error
    if late.is_set():
        raise ServerBusyError(LATE)
    if len(content) > MESSAGE_BYTES:
        raise UserError(f"The server's answer is longer than {MESSAGE_BYTES / 2**20:g} MiB")
    # An answer without a length that is not chunked ends with the connection.
    unended = answer.length is None and not answer.chunked and not content.endswith(b"}")
    if answer.length or unended:
        raise ServerBusyError(f"the answer was cut off after {len(content)} bytes")
    return answer.status, content


@contextlib.contextmanager
def _ended_in_time(connection: HTTPConnection) -> Iterator[threading.Event]:
    """Connect, and close the connection after its timeout; yield an event that is set then.

    A socket's own timeout starts anew with each byte.
    """
    late, sockets = threading.Event(), list[socket.socket]()

    def end() -> None:
        late.set()
        for each in filter(None, (connection.sock, *sockets)):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(connection.timeout or DEADLINE, end)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        # The connection forgets it when the answer begins.
        sockets.append(connection.sock)
        if late.is_set():
            raise TimeoutError("no connection in time")
        yield late
    except OSError as error:
        raise ServerBusyError(str(error)) from error
    finally:
        timer.cancel()


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return _start(content)


def _start(content: bytes) -> str:
    return repr(content[:100].decode(errors="replace"))


def _picture(content: bytes, shape: tuple[int, ...]) -> UInt8:
    """Return the RGB pixels of a PNG, after a check of its size."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            if (picture.height, picture.width) == shape[:2]:
                return np.array(picture.convert("RGB"))
            found = f"has {picture.width}x{picture.height} pixels"
    except Exception as error:  # Pillow answers a bad file with nearly any exception
        found = f"cannot be read ({type(error).__name__})"
    raise UserError(f"The server's answer is not the picture: it {found}")


def _retried(ask: Callable[[float], bytes], deadline: float) -> bytes:
    """Repeat a request with growing pauses, random so that clients do not synchronize."""
    start, pause = time.monotonic(), FIRST_PAUSE
    while True:
        left = deadline - (time.monotonic() - start)
        try:
            return ask(max(left, 0.001))
        except ServerBusyError as error:
            wait = pause * random.uniform(0.5, 1)
            if time.monotonic() - start + wait >= deadline:
                raise UserError(
                    f"No answer within {deadline:g} s; the last try: {error}"
                ) from error
        time.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)


def _png(picture: Any) -> bytes:
    written, content = cv2.imencode(".png", np.ascontiguousarray(picture))
    assert written  # noqa: S101
    return content.tobytes()
