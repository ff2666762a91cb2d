"""An exported folder behind real sockets, asked by the client of `examples/`."""

from __future__ import annotations

import base64
import json
import os
import runpy
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
import tensorflow as tf
from documents import SERVED, blocks
from PIL import Image
from small_exports import NETWORK
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import inpaint_tf
from inpaint_tf.inference.detail import add_detail
from inpaint_tf.inference.network import NetworkInpainter
from inpaint_tf.masks import MaskMode
from neuralgym_lite.images import read_picture

ROOT = Path(__file__).parents[2]
# Set for the tests; a user's shell has it not.
ENV = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
CLIENT = ROOT / "examples" / "serve_client.py"
REQUESTS, PARALLEL = 1000, 32
GROWTH = 64 * 2**20  # bytes; a leak of one picture a request would be several times as much


@pytest.fixture(scope="module")
def model(exports):
    return inpaint_tf.load(exports / NETWORK).model


@pytest.fixture(scope="module")
def server(exports, tmp_path_factory):
    """A server in a process of its own; its pid and its ports."""
    folder = exports / "saved_model"
    told = tmp_path_factory.mktemp("server") / "stderr"
    errors = told.open("w")
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py")), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    line = process.stdout.readline()
    assert line, told.read_text()
    yield {"pid": process.pid, **json.loads(line)}
    process.stdin.close()
    process.wait(30)
    process.stdout.close()
    errors.close()


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(f"localhost:{server['grpc']}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def photograph(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def hole(height, width):
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return mask


def png(picture):
    return cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture)[1].tobytes()


def predict(stub, signature, model="inpaint", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return stub.Predict(request, timeout=300).outputs


def post(server, **request):
    url = f"http://localhost:{server['rest']}/v1/models/inpaint:predict"
    with urllib.request.urlopen(url, json.dumps(request).encode(), timeout=300) as answer:
        return json.load(answer)


# The protocols.


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_served_model_is_a_model(server, model, protocol):
    host = f"localhost:{server['rest' if protocol == 'http' else 'grpc']}"
    path = "v1/models/inpaint" if protocol == "http" else "inpaint"
    served = inpaint_tf.load(f"{protocol}://{host}/{path}")
    assert served.name == f"inpaint, {protocol}"
    options = {"dataset": "samples", "image_size": 64, "limit": 2, "baselines": False}
    network = NetworkInpainter(model, MaskMode("hole"), "network")
    scores = inpaint_tf.evaluate([network, served], **options).summaries
    for name, expected in scores["network"].items():
        if expected.mean is not None:
            assert scores[served.name][name].mean == pytest.approx(expected.mean, rel=1e-3), name


def test_warm_up_was_replayed(server):
    assert server["warm"] == {"serving_default": 2, "bytes": 2, "attention": 2}


def test_grpc_fills_as_the_keras_model(stub, model):
    inpainter = NetworkInpainter(model, model.mask_mode, "small")
    for shape in ((1, 64, 64), (3, 33, 51), (1, 8, 8)):
        image = np.stack([photograph(*shape[1:], seed=i) for i in range(shape[0])])
        mask = np.stack([hole(*shape[1:])] * shape[0])[..., None]
        found = predict(stub, "serving_default", image=image, mask=mask)
        output = tf.make_ndarray(found["output"])
        gap = np.abs(output.astype(int) - inpainter.fill(image, mask))
        assert gap.max() <= 1 and (gap > 0).mean() <= 1e-3


def test_rest_in_rows_and_in_columns(server):
    image, mask = photograph(16, 24), hole(16, 24)[..., None]
    row = {"image": image.tolist(), "mask": mask.tolist()}
    rows = post(server, instances=[row])["predictions"]
    columns = post(server, inputs={name: [value] for name, value in row.items()})["outputs"]
    assert rows == columns and np.shape(rows) == (1, 16, 24, 3)
    files = {
        "image": {"b64": base64.b64encode(png(image)).decode()},
        "mask": {"b64": base64.b64encode(png(mask[..., 0])).decode()},
    }
    answer = post(server, signature_name="bytes", instances=[files])["predictions"][0]["b64"]
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(answer), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(shown[..., ::-1], rows[0])


# Many clients, some of whom send nonsense.


def requests_of(kind, index):
    """Return a signature, inputs, and words of the refusal, None where it is filled."""
    side = (16, 40, 65)[index % 3]
    image, mask = photograph(side, side + 8, seed=index), hole(side, side + 8)
    arrays = {"image": image[None], "mask": mask[None, ..., None]}
    files = {"image": [png(image)], "mask": [png(mask)]}
    return {
        "arrays": ("serving_default", arrays, None),
        "files": ("bytes", files, None),
        "attention": ("attention", arrays, None),
        "wrong mask": (
            "serving_default",
            {**arrays, "mask": np.zeros((1, 9, 9, 1), np.uint8)},
            "mask must be",
        ),
        "no picture": ("bytes", {**files, "image": [b"nonsense"]}, "neither a JPEG nor a PNG"),
        "cut off": ("bytes", {**files, "image": [png(image)[:200]]}, ""),
        "unknown": ("nothing", arrays, "not found"),
        "no mask": ("serving_default", {"image": image[None]}, "input must be"),
    }[kind]


KINDS = ("arrays", "files", "attention", "files", "wrong mask", "arrays", "no picture", "files") + (
    "cut off",
    "unknown",
    "arrays",
    "no mask",
)


def ask(stub, index):
    """Send request `index`; return whether the answer is what it has to be."""
    signature, inputs, words = requests_of(KINDS[index % len(KINDS)], index)
    try:
        outputs = predict(stub, signature, **inputs)
    except grpc.RpcError as error:
        named = error.code() is grpc.StatusCode.INVALID_ARGUMENT
        return words is not None and named and words in error.details()
    if words is not None:
        return False
    if signature == "bytes":
        size = cv2.imdecode(
            np.frombuffer(outputs["output_bytes"].string_val[0], np.uint8), cv2.IMREAD_COLOR
        ).shape
        return size == cv2.imdecode(np.frombuffer(inputs["image"][0], np.uint8), 1).shape
    known = inputs["mask"][0, ..., 0] == 0
    output = tf.make_ndarray(outputs["output"])
    return bool(np.array_equal(output[0][known], inputs["image"][0][known]))


def resident(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the server's memory")
def test_a_thousand_requests_at_once(server, stub):
    with ThreadPoolExecutor(PARALLEL) as pool:
        assert all(pool.map(lambda index: ask(stub, index), range(REQUESTS // 2)))
        before = resident(server["pid"])
        assert all(pool.map(lambda index: ask(stub, index), range(REQUESTS // 2, REQUESTS)))
    assert resident(server["pid"]) - before < GROWTH


# The client.


@pytest.fixture
def folders(tmp_path):
    """Photographs of several kinds, one of them broken, and their masks."""
    photographs, masks = tmp_path / "photographs", tmp_path / "masks"
    (photographs / "deep").mkdir(parents=True)
    (masks / "deep").mkdir(parents=True)
    Image.fromarray(photograph(40, 56)).save(photographs / "a.png")
    Image.fromarray(photograph(64, 48)).convert("L").save(photographs / "deep" / "grey.png")
    Image.fromarray(photograph(32, 40)).save(photographs / "b.jpg")
    (photographs / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    for name, size in (
        ("a", (40, 56)),
        ("deep/grey", (64, 48)),
        ("b", (32, 40)),
        ("broken", (8, 8)),
    ):
        Image.fromarray(hole(*size)).save(masks / f"{name}.png")
    return photographs, masks, tmp_path / "filled"


def words(folders, *options):
    photographs, masks, out = folders
    return [str(CLIENT), str(photographs), "--mask", str(masks), "--out", str(out), *options]


@pytest.fixture
def client(folders, capsys):
    """A function that runs the client in this process; returns its exit code and stderr."""

    def run(*options):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as left:
            patch.setattr(sys, "argv", words(folders, *options))
            runpy.run_path(str(CLIENT), run_name="__main__")
        return left.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_client_fills_a_folder_and_names_what_failed(server, folders, way):
    address = f"localhost:{server[way]}"
    call = words(folders, "--server", f"http://{address}" if way == "rest" else address)
    done = subprocess.run(
        [sys.executable, *call], capture_output=True, text=True, cwd=ROOT, env=ENV, timeout=600
    )
    assert done.returncode == 1, done.stderr
    assert "broken.png" in done.stderr and "3 of 4 photographs filled" in done.stderr
    photographs, _, out = folders
    filled = sorted(str(each.relative_to(out)) for each in out.rglob("*.*"))
    assert filled == ["a.png", "b.jpg", "deep/grey.png"]
    assert read_picture(out / "deep" / "grey.png").grey
    before, after = (read_picture(each / "a.png").rgb for each in (photographs, out))
    known = hole(40, 56) == 0
    np.testing.assert_array_equal(before[known], after[known])
    assert np.any(before != after)


def test_client_adds_detail(server, client, folders):
    address = ("--server", f"localhost:{server['grpc']}")
    file = folders[2] / "a.png"
    client(*address)
    plain = read_picture(file).rgb
    client(*address, "--detail")
    detailed = read_picture(file).rgb
    np.testing.assert_array_equal(detailed, add_detail(plain, hole(40, 56) // 255))
    assert np.any(detailed != plain)


def test_client_tries_again_until_its_deadline(client, folders):
    code, said = client("--server", "http://localhost:9", "--deadline", "1.5")
    assert code == 1
    assert "No answer within 1.5 s; the last try: " in said
    assert not list(folders[2].rglob("*.*"))


def test_client_refuses(client):
    code, said = client("--parallel", "0")
    assert code == 2
    assert said == "Error: --parallel must be at least 1. Received: 0\n"


@pytest.mark.skipif(not shutil.which("curl"), reason="docs/serving.md asks with curl")
def test_documented_requests(server, tmp_path):
    """Commands as they stand in docs/serving.md, but for the ports: of the client, and of curl."""
    for folder in ("photographs", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("photo", "photographs/a", "photographs/b"):
        Image.fromarray(photograph(40, 56)).save(tmp_path / f"{name}.jpg")
    for name in ("mask", "masks/a", "masks/b"):
        Image.fromarray(hole(40, 56)).save(tmp_path / f"{name}.png")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    path = os.pathsep.join([str(Path(sys.executable).parent), ENV["PATH"]])
    environment = {**ENV, "PATH": path, "PYTHONPATH": str(ROOT)}
    commands = [command for block in blocks("bash") for command in block.commands()]
    for text in (command.text for command in commands if SERVED in command.text):
        for documented, way in (("8500", "grpc"), ("8501", "rest")):
            text = text.replace(f"localhost:{documented}", f"localhost:{server[way]}")
        script = ["bash", "-c", f"set -e -o pipefail\n{text}"]
        subprocess.run(script, cwd=tmp_path, env=environment, check=True, timeout=600)
    for name in ("filled/a.jpg", "filled/b.jpg", "filled.png"):
        assert read_picture(tmp_path / name).rgb.shape == (40, 56, 3)


def test_server_names_a_wrong_model(server, client):
    code, said = client("--server", f"localhost:{server['grpc']}", "--model", "other")
    assert code == 1 and "NOT_FOUND" in said
