"""Servers whose answers are none, in a thread of the test, for as long as a test takes."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import socket
import threading
from concurrent import futures

import grpc
from tensorflow_serving.apis import predict_pb2

PREDICT = "/tensorflow.serving.PredictionService/Predict"
PAUSE = 0.1  # seconds between two bytes of a slow answer
LONGEST = 30.0  # seconds, of any answer


def http(body, *headers, status="200 OK"):
    """Return an answer; its length is told unless `headers` tell another."""
    lines = [f"HTTP/1.1 {status}", *(headers or [f"Content-Length: {len(body)}"]), "", ""]
    return "\r\n".join(lines).encode() + body


def outputs(content):
    """Return the body of an answer in which something stands for a picture."""
    return json.dumps({"outputs": [{"b64": content}]}).encode()


def right(content):
    return http(outputs(base64.b64encode(content).decode()))


@contextlib.contextmanager
def rest(*answers):
    """Serve: each request gets the next of the answers, and those that come later the last one.

    Args:
        answers: bytes that are sent at once, or iterables of bytes with a pause after each.

    Yields:
        The URL, and a list of one item for each request.
    """
    stop, asked = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    answer = answers[min(len(asked), len(answers) - 1)]
                    asked.append(answer)
                    threading.Thread(target=_answer, args=(connection, answer, stop)).start()

        accepting = threading.Thread(target=serve)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(LONGEST)


def _answer(connection, answer, stop):
    with connection, contextlib.suppress(OSError):
        connection.settimeout(LONGEST)
        _read_request(connection)
        if isinstance(answer, bytes):
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            return
        for part in itertools.islice(answer, int(LONGEST / PAUSE)):
            connection.sendall(part)
            if stop.wait(PAUSE):
                return


def _read_request(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)


@contextlib.contextmanager
def over_grpc(answer):
    """Serve: each request gets the bytes that `answer()` returns, or none before the client
    hangs up where `answer` is None; yields the address."""

    def reply(request, context):
        if answer is not None:
            return answer()
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait()
        return b""

    handler = grpc.unary_unary_rpc_method_handler(reply)
    service, method = PREDICT.strip("/").split("/")
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {method: handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def message(**named):
    """Return a `PredictResponse` of strings."""
    import tensorflow as tf

    response = predict_pb2.PredictResponse()
    for name, value in named.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    return response.SerializeToString()
