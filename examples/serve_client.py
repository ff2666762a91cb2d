r"""Fills folders of photographs with a model in TensorFlow Serving, over REST or gRPC.

    python examples/serve_client.py photographs --mask masks --out filled --server localhost:8500
    python examples/serve_client.py photographs --mask masks --out filled \\
        --server http://localhost:8501

gRPC needs `pip install -e '.[serving]'`. Photographs and masks are paired, read and written like
`inpaint-tf fill` does: orientation, transparency and grayscale are kept. A request is repeated
until the deadline of the photograph if the server cannot be reached, is overloaded, or sends an
incomplete answer. Any other answer that is not an image is an error. Exit codes: 0 done, 1 some
photographs failed (each is named), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead, InvalidURL
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from inpaint_tf.inference.inpainter import Inpainter, Int32, UInt8  # noqa: E402
from inpaint_tf.inference.photographs import (  # noqa: E402
    Job,
    Result,
    fill_photographs,
    plan_jobs,
)
from neuralgym_lite.errors import UserError  # noqa: E402
from neuralgym_lite.progress import Progress  # noqa: E402

SIGNATURE = "bytes"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two attempts
BUSY = (429, 502, 503, 504)  # HTTP status codes of temporary errors
MESSAGE_BYTES = 256 * 2**20
LATE = "the answer was not whole in time"
Ask = Callable[[dict[str, bytes], float], bytes]


class ServerBusyError(Exception):
    """The server cannot be reached, is overloaded, or sent an incomplete answer: try again."""


class ServedModel(Inpainter):
    """An inpainter that sends requests to a server.

    Args:
        ask: sends an image and a mask, as PNG files, and returns the filled image as a PNG file;
            called with the files and the seconds that are left.
        deadline: seconds that a photograph may take, with all tries.
    """

    name = "served"

    def __init__(self, ask: Ask, deadline: float) -> None:
        self.ask = ask
        self.deadline = deadline

    def _predict(self, images: UInt8, masks: UInt8, *_: object) -> tuple[UInt8, Int32 | None]:
        pairs = zip(images, masks, strict=True)
        return np.stack([self._ask(image, mask) for image, mask in pairs]), None

    def _ask(self, image: UInt8, mask: UInt8) -> UInt8:
        files = {"image": _png(image[..., ::-1]), "mask": _png(mask * 255)}
        answer = _retried(lambda left: self.ask(files, left), self.deadline)
        return _picture(answer, image.shape)


def over_grpc(address: str, model: str) -> Ask:
    """Return a function that sends requests by gRPC, over one connection.

    Raises:
        UserError: if the packages for it are not installed.
    """
    try:
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    except ImportError as error:
        raise UserError(
            f"gRPC needs '{error.name}': pip install -e '.[serving]', or give --server http://..."
        ) from None
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


def over_rest(url: str, model: str) -> Ask:
    """Return a function that sends requests by REST.

    Raises:
        UserError: if it is not a URL.
    """
    try:
        place = urlsplit(f"{url.rstrip('/')}/v1/models/{quote(model)}:predict")
        connect = HTTPSConnection if place.scheme == "https" else HTTPConnection
        connect(place.netloc)
    except (ValueError, InvalidURL) as error:
        raise UserError(f"--server '{url}' is no URL: {error}") from error

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
    late, sockets = threading.Event(), []

    def end() -> None:
        late.set()
        for each in filter(None, (connection.sock, *sockets)):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(connection.timeout, end)
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


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", type=Path, nargs="+", help="photographs, or folders of them")
    parser.add_argument("--mask", type=Path, required=True, help="a mask, or a folder of masks")
    parser.add_argument("--invert-mask", action="store_true", help="dark pixels are missing")
    parser.add_argument("--grow", type=int, default=0, help="pixels to make holes wider by")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--server", default="localhost:8500", help="HOST:PORT for gRPC, or a URL")
    parser.add_argument("--model", default="inpaint", help="name of the model on the server")
    parser.add_argument("--parallel", type=int, default=4, help="photographs on their way at once")
    parser.add_argument("--deadline", type=float, default=60, help="seconds for one photograph")
    parser.add_argument("--detail", action="store_true", help="add detail, as `inpaint-tf fill`")
    arguments = parser.parse_args()
    try:
        sys.exit(run(arguments))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


def run(arguments: argparse.Namespace) -> int:
    """Fill all photographs; return the exit code."""
    if arguments.parallel < 1:
        raise UserError(f"--parallel must be at least 1. Received: {arguments.parallel}")
    if arguments.grow < 0:
        raise UserError(f"--grow must be at least 0. Received: {arguments.grow}")
    if arguments.deadline <= 0:
        raise UserError(f"--deadline must be above 0. Received: {arguments.deadline:g}")
    jobs = plan_jobs(arguments.inputs, arguments.mask, arguments.out)
    connect = over_rest if arguments.server.startswith(("http://", "https://")) else over_grpc
    model = ServedModel(connect(arguments.server, arguments.model), arguments.deadline)

    def fill(job: Job) -> Result:
        options = {name: getattr(arguments, name) for name in ("invert_mask", "grow", "detail")}
        return next(fill_photographs(model, [job], **options))

    failed = 0
    with Progress() as progress, ThreadPoolExecutor(arguments.parallel) as pool:
        track = progress.track(len(jobs), "photographs")
        for result in pool.map(fill, jobs):
            failed += result.status == "failed"
            if result.message:
                progress.log(result.message)
            track.advance()
    print(f"{len(jobs) - failed} of {len(jobs)} photographs filled", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    main()
