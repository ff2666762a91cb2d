"""`inpaint-tf weights`: list, get, and whatever a server may do."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import lpips_oracle as oracle
import numpy as np
import pytest
from click.testing import CliRunner
from layer_harness import random
from weight_files import save_legacy, save_torch

from inpaint_tf import weights
from inpaint_tf.cli._options import with_options
from inpaint_tf.cli.weights import command
from inpaint_tf.importers import download
from inpaint_tf.importers import lpips as published
from inpaint_tf.metrics import lpips_weights
from neuralgym_lite.errors import UserError

ARRAYS = oracle.alex_weights(32)
LAYERS = {f"conv{i}": f"features.{j}" for i, j in enumerate((0, 3, 6, 8, 10), start=1)}
NETWORK, OLDER, HEADS = "network", "older", "alex.pth"


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def refused(*arguments):
    """Check that a command ends with one line and leaves nothing behind; return the line."""
    result = run(*arguments)
    assert isinstance(result.exception, UserError), result.exception
    assert result.stdout == ""
    assert "\n" not in str(result.exception)
    folder = lpips_weights.kept_at("lpips-alex").parent
    assert not folder.exists() or not list(folder.iterdir())
    return str(result.exception)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for variable in ("INPAINT_TF_WEIGHTS", "INPAINT_TF_MIRROR", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Small files such as the published ones: old and new, and what is pinned of them."""
    folder = tmp_path / "files"
    folder.mkdir()
    network = {"classifier.1.weight": random(3, 4)}
    for ours, theirs in LAYERS.items():
        network[f"{theirs}.weight"] = ARRAYS[f"{ours}.kernel"].transpose(3, 2, 0, 1).copy()
        network[f"{theirs}.bias"] = ARRAYS[f"{ours}.bias"]
    heads = {f"lin{i}.model.1.weight": ARRAYS[f"lin{i}"].reshape(1, -1, 1, 1) for i in range(5)}
    save_legacy(folder / HEADS, heads)
    names = []
    for name, save in ((NETWORK, save_torch), (OLDER, save_legacy)):
        path = save(folder / "network.pth", network)
        names.append(f"{name}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth")
        path.rename(folder / names[-1])
    facts = dataclasses.replace(published._PUBLISHED["lpips-alex"], networks=tuple(names))
    monkeypatch.setitem(published._PUBLISHED, "lpips-alex", facts)
    monkeypatch.setitem(lpips_weights.SHA256, "lpips-alex", lpips_weights.digest(ARRAYS))
    return folder


@pytest.fixture
def files(folder):
    """Paths of the network, its older file, and the heads."""
    network, older = published._PUBLISHED["lpips-alex"].networks
    return folder / network, folder / older, folder / HEADS


class Server(ThreadingHTTPServer):
    """Answers with what `answers` has for a path: bytes, or a function that answers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if callable(answer):
            answer(self)
        elif answer is None:
            self.send_error(404)
        else:
            self.answer(answer)

    def answer(self, data, length=None, status=200, **headers):
        self.send_response(status)
        headers["Content-Length"] = str(len(data) if length is None else length)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(files):
    """A mirror that has all files, at /mirror."""
    server = Server()
    server.answers = {f"/mirror/{path.name}": path.read_bytes() for path in files}
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def assert_kept(result):
    path = lpips_weights.kept_at("lpips-alex")
    assert result.exception is None, result.exception
    assert result.stdout == f"{path}\n"
    assert [each.name for each in path.parent.iterdir()] == ["lpips_alex_v0.1_hwio.npz"]
    read = lpips_weights.read("lpips-alex", path)
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)


# What works.


def test_from_a_folder(folder, cache):
    assert_kept(run("get", "lpips-alex", "--from", folder))
    assert lpips_weights.kept_at("lpips-alex").is_relative_to(cache)


def test_an_older_file_serves_as_well(folder, files):
    files[0].unlink()
    assert_kept(run("get", "lpips-alex", "--from", folder))


@pytest.mark.parametrize("slash", ["", "/"])
def test_from_a_mirror(server, files, slash):
    result = run("get", "lpips-alex", "--from", f"{server.url}/mirror{slash}")
    assert_kept(result)
    assert server.asked == [f"/mirror/{HEADS}", f"/mirror/{files[0].name}"]
    assert f"Downloading {HEADS}" in result.stderr
    assert "1/1 MB" in result.stderr


def test_from_a_mirror_of_the_environment(server, files, monkeypatch):
    del server.answers[f"/mirror/{files[0].name}"]
    monkeypatch.setenv("INPAINT_TF_MIRROR", f"{server.url}/mirror")
    assert_kept(run("get", "lpips-alex"))
    assert server.asked[-1] == f"/mirror/{files[1].name}"


def test_from_where_they_were_published(server, files, monkeypatch):
    asked = []

    def redirected(url, *arguments):
        asked.append(url)
        return download.download(f"{server.url}/mirror/{url.rpartition('/')[2]}", *arguments)

    monkeypatch.setattr(published, "download", redirected)
    assert_kept(run("get", "lpips-alex"))
    heads = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights"
    network = f"https://download.pytorch.org/models/{files[0].name}"
    assert asked == [f"{heads}/v0.1/alex.pth", network]


def test_the_published_names():
    assert published._PUBLISHED.keys() == lpips_weights.SHA256.keys()
    assert published._PUBLISHED["lpips-alex"].networks[0] == "alexnet-owt-7be5be79.pth"
    layers = {
        name.removesuffix(".kernel") for name in oracle.squeeze_weights(8) if "kernel" in name
    }
    assert published._PUBLISHED["lpips-squeeze"].layers.keys() == layers


def test_redirects_are_followed(server, files):
    where = f"/mirror/{files[0].name}"
    server.answers["/moved"] = server.answers[where]
    server.answers[where] = lambda each: each.answer(b"", status=302, Location="/moved")
    assert_kept(run("get", "lpips-alex", "--from", f"{server.url}/mirror"))


def test_what_is_there_is_not_fetched_again(server, folder):
    run("get", "lpips-alex", "--from", folder)
    before = lpips_weights.kept_at("lpips-alex").stat()
    assert_kept(run("get", "lpips-alex", "--from", f"{server.url}/mirror"))
    assert server.asked == []
    assert lpips_weights.kept_at("lpips-alex").stat().st_mtime_ns == before.st_mtime_ns


def test_what_is_damaged_is_fetched_again(folder):
    path = lpips_weights.kept_at("lpips-alex")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of a file")
    assert_kept(run("get", "lpips-alex", "--from", folder))


def test_list(folder, cache):
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert list(rows) == [*weights.names(), "lpips-alex", "lpips-squeeze"]
    assert not rows["lpips-alex"]["found"]
    assert "inpaint-tf weights get lpips-alex" in rows["lpips-alex"]["where"]
    run("get", "lpips-alex", "--from", folder)
    path = lpips_weights.kept_at("lpips-alex")
    assert f"lpips-alex     {path}" in run("list").stdout.splitlines()
    path.write_bytes(b"damaged")
    assert not json.loads(run("list", "--json").stdout)[-2]["found"]


def test_networks_are_listed_with_what_they_do():
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    lines = run("list").stdout.splitlines()
    for name in weights.names():
        assert rows[name]["where"] == str(weights.locate(name))
        assert f"{name:<15}{weights.facts(name)['summary']}" in lines


# What does not.


def mirror(server):
    return ("get", "lpips-alex", "--from", f"{server.url}/mirror")


def test_what_comes_with_the_install_is_not_fetched():
    assert "comes with the install" in refused("get", weights.DEFAULT)


def test_unknown_name():
    assert "Did you mean 'lpips-alex'" in refused("get", "lpips-alx")


def test_absent(server, folder, files):
    server.answers.clear()
    assert "404" in refused(*mirror(server))
    for path in files[:2]:
        path.unlink()
    line = refused("get", "lpips-alex", "--from", folder)
    assert f"'{files[0]}' is missing" in line
    assert f"https://download.pytorch.org/models/{files[0].name}" in line


def test_nobody_listens(server):
    server.shutdown()
    server.server_close()
    line = refused(*mirror(server))
    assert "refused" in line
    assert "with --from DIR" in with_options(line, command)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc", "http://", "http://[::1"])
def test_no_url_of_the_web(url, folder):
    assert "cannot be downloaded" in refused("get", "lpips-alex", "--from", url)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda each: each.answer(b"half", length=8), "broke off after 4 of 8 bytes"),
        (lambda each: each.send_error(503), "answers 503"),
        (lambda each: each.answer(b"", status=302, Location=each.path), "answers 302"),
        (lambda each: each.answer(b"", length=1 << 40), "has 1,099,511,627,776 bytes"),
        (lambda each: each.wfile.write(b"garbage\r\n\r\n"), "BadStatusLine"),
        (lambda each: each.wfile.write(b""), "RemoteDisconnected"),
        (lambda each: each.answer(b"garbage"), "'alex.pth' is no PyTorch checkpoint"),
        (lambda each: each.answer(b""), "no PyTorch checkpoint"),
        (lambda each: each.answer(b"x", **{"Transfer-Encoding": "chunked"}), "IncompleteRead"),
    ],
    ids=["short", "busy", "loop", "huge", "no http", "nothing", "garbage", "empty", "bad chunks"],
)
def test_a_bad_server(server, answer, words):
    server.answers[f"/mirror/{HEADS}"] = answer
    assert words in refused(*mirror(server))


def test_a_body_without_end(server, monkeypatch):
    def endless(each):
        each.send_response(200)
        each.end_headers()
        while True:
            each.wfile.write(bytes(1 << 16))

    monkeypatch.setattr(published, "_MAX_BYTES", 1 << 20)
    server.answers[f"/mirror/{HEADS}"] = endless
    assert "more than the 1,048,576 bytes" in refused(*mirror(server))


def test_a_server_that_says_nothing(server, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.answers[f"/mirror/{HEADS}"] = lambda each: time.sleep(1)
    assert "nothing came for 0.2 seconds" in refused(*mirror(server))


def test_a_server_that_stops(server, monkeypatch):
    def stop(each):
        each.answer(b"x", length=9)
        time.sleep(1)

    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.answers[f"/mirror/{HEADS}"] = stop
    assert "nothing came for 0.2 seconds" in refused(*mirror(server))


def test_a_server_that_dribbles(server, monkeypatch):
    def dribble(each):
        each.answer(b"", length=1000)
        for _ in range(100):
            each.wfile.write(b"x")
            time.sleep(0.05)

    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    server.answers[f"/mirror/{HEADS}"] = dribble
    assert re.search(r"bytes came in \d+ seconds", refused(*mirror(server)))


def test_a_network_with_another_checksum(server, folder, files):
    damaged = bytearray(files[0].read_bytes())
    damaged[-1] ^= 1
    server.answers[f"/mirror/{files[0].name}"] = bytes(damaged)
    assert "is damaged or another file: its SHA-256 begins with" in refused(*mirror(server))
    files[0].write_bytes(damaged)
    assert "is damaged or another file" in refused("get", "lpips-alex", "--from", folder)


def test_heads_with_other_numbers(folder, files):
    # One bit of one number, in a file that is sound in itself.
    damaged = bytearray(files[2].read_bytes())
    damaged[-4] ^= 1
    files[2].write_bytes(damaged)
    line = refused("get", "lpips-alex", "--from", folder)
    assert "not hold the published numbers of 'lpips-alex'" in line


def test_heads_of_another_network(folder, files):
    save_legacy(files[2], {"lin0.model.1.weight": random(1, 2, 1, 1)})
    assert "do not hold LPIPS: 'lin1.model.1.weight'" in refused(
        "get", "lpips-alex", "--from", folder
    )


def test_a_cache_that_cannot_be_written_to(folder, cache):
    cache.write_text("a file, where the folder would be")
    result = run("get", "lpips-alex", "--from", folder)
    assert isinstance(result.exception, UserError)
    assert "$INPAINT_TF_CACHE" in str(result.exception)
