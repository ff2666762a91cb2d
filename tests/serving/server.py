"""A small TensorFlow Serving: the same protocols over real sockets, by the folder alone.

    python server.py FOLDER

Loads the newest version, replays its warm-up records, then prints a JSON line with its ports, and
serves until its stdin is closed. It can import neither this project nor Keras.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

for name in ("inpaint_tf", "neuralgym_lite", "keras"):
    sys.modules[name] = None

import grpc  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

MODEL = "inpaint"
AT_ONCE = 2  # requests that are computed; the others wait
SIZES = [(f"grpc.max_{way}_message_length", 256 * 2**20) for way in ("send", "receive")]


class BadRequestError(Exception):
    """A request that cannot be answered, with a gRPC code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Model:
    """The newest version in a folder."""

    def __init__(self, folder):
        newest = max(int(each.name) for each in folder.iterdir() if each.name.isdecimal())
        self.version = newest
        self.folder = folder / str(newest)
        self.signatures = tf.saved_model.load(str(self.folder)).signatures
        self.slots = threading.Semaphore(AT_ONCE)

    def warm_up(self):
        """Replay the records; return how many of each signature there were."""
        path = self.folder / "assets.extra" / "tf_serving_warmup_requests"
        replayed = {}
        for record in tf.data.TFRecordDataset(str(path)):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            signature = request.model_spec.signature_name
            self.run(MODEL, signature, inputs)
            replayed[signature] = replayed.get(signature, 0) + 1
        return replayed

    def run(self, name, signature, inputs):
        """Return the outputs of a signature."""
        if name != MODEL:
            raise BadRequestError(grpc.StatusCode.NOT_FOUND, f"Servable not found: {name}")
        if signature not in self.signatures:
            message = f'Serving signature key "{signature}" not found.'
            raise BadRequestError(grpc.StatusCode.INVALID_ARGUMENT, message)
        function = self.signatures[signature]
        wanted = function.structured_input_signature[1]
        if wanted.keys() != inputs.keys():
            message = f"input must be {sorted(wanted)}, not {sorted(inputs)}"
            raise BadRequestError(grpc.StatusCode.INVALID_ARGUMENT, message)
        try:
            tensors = {key: tf.constant(value, wanted[key].dtype) for key, value in inputs.items()}
            with self.slots:
                outputs = function(**tensors)
        except tf.errors.OpError as error:
            code = next(each for each in grpc.StatusCode if each.value[0] == error.error_code)
            raise BadRequestError(code, error.message) from error
        except (TypeError, ValueError) as error:
            raise BadRequestError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        return {key: value.numpy() for key, value in outputs.items()}


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """gRPC."""

    def __init__(self, model):
        self.model = model

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        try:
            outputs = self.model.run(spec.name, spec.signature_name or "serving_default", inputs)
        except BadRequestError as error:
            context.abort(error.code, str(error))
        answer = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return answer


def make_handler(model):
    """Return the class that answers REST."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):  # noqa: N802
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status, answer = 200, self.predict(json.loads(body))
            except BadRequestError as error:
                found = error.code is not grpc.StatusCode.NOT_FOUND
                status, answer = (400 if found else 404), {"error": str(error)}
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                status, answer = 400, {"error": f"JSON Parse error: {error}"}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def predict(self, request):
            name, _, verb = self.path.removeprefix("/v1/models/").partition(":")
            if verb != "predict":
                raise BadRequestError(grpc.StatusCode.NOT_FOUND, f"Malformed: {self.path}")
            by_row = "instances" in request
            given = _columns(request["instances"]) if by_row else request["inputs"]
            inputs = {key: _decoded(value) for key, value in given.items()}
            outputs = model.run(name, request.get("signature_name", "serving_default"), inputs)
            ready = {key: _encoded(key, value) for key, value in outputs.items()}
            if not by_row:
                only = next(iter(ready.values()))
                return {"outputs": only if len(ready) == 1 else ready}
            rows = [dict(zip(ready, row, strict=True)) for row in zip(*ready.values(), strict=True)]
            if len(ready) == 1:
                rows = [next(iter(row.values())) for row in rows]
            return {"predictions": rows}

        def log_message(self, *arguments):
            pass

    return Handler


def _columns(rows):
    return {key: [row[key] for row in rows] for key in rows[0]}


def _decoded(value):
    """Return nested lists with {"b64": ...} as an array."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    if isinstance(value, list):
        return np.array([_decoded(each) for each in value], dtype=_dtype(value))
    return value


def _dtype(value):
    while isinstance(value, list):
        value = value[0]
    return object if isinstance(value, dict | str) else None


def _encoded(name, value):
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(each).decode()} for each in value]
    return value.tolist()


class Rest(ThreadingHTTPServer):
    """REST, for as many clients at once as come."""

    daemon_threads = True
    request_queue_size = 128


def main(folder):
    """Serve until stdin is closed."""
    model = Model(folder)
    warm = model.warm_up()
    server = grpc.server(futures.ThreadPoolExecutor(64), options=SIZES)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(model), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    rest = Rest(("127.0.0.1", 0), make_handler(model))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    print(json.dumps({"grpc": port, "rest": rest.server_port, "warm": warm}), flush=True)
    sys.stdin.read()
    server.stop(None)
    rest.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
