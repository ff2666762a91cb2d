"""The client of `examples/`, asked to take answers that are none."""

from __future__ import annotations

import argparse
import importlib.util
import io
import itertools
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving.misbehaving import http, message, outputs, over_grpc, rest, right

from inpaint_tf.inference import server
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import read_picture

CLIENT = Path(__file__).parents[2] / "examples" / "serve_client.py"
SIDE = 16
IN_TIME = 30.0  # seconds that a busy machine may add; a call without a deadline would not end


@pytest.fixture(scope="module")
def client():
    spec = importlib.util.spec_from_file_location("serve_client", CLIENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fill(client, tmp_path, capsys):
    """A function that fills one photograph; returns the exit code, what was said, the seconds."""
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[4:8, 4:8] = 255
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")

    def run(server, deadline=1.0):
        options = {"inputs": [tmp_path / "photo.png"], "mask": tmp_path / "mask.png"}
        options |= {"out": tmp_path / "out", "server": server, "deadline": deadline}
        known = parse(client, ["photo", "--mask", "mask", "--out", "out"])
        start = time.monotonic()
        code = client.run(argparse.Namespace(**{**vars(known), **options}))
        return code, capsys.readouterr().err, time.monotonic() - start

    return run


def parse(client, arguments):
    """Return the arguments that the client's own parser makes."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["serve_client.py", *arguments])
        patch.setattr(client, "run", lambda arguments: found.append(arguments))
        with pytest.raises(SystemExit):
            client.main()
    return found[0]


def png(height=SIDE, width=SIDE, mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, (width, height), "red" if mode == "RGB" else 1).save(file, "PNG")
    return file.getvalue()


def drips(start=b""):
    """One byte at a time, without an end."""
    return itertools.chain([start], itertools.repeat(b" "))


NO_PICTURE = {
    "an empty body": (http(b""), "has no picture (JSONDecodeError)"),
    "no JSON": (http(b"<html>Bad gateway</html>"), "has no picture (JSONDecodeError): '<html>Bad"),
    "not UTF-8": (http(b"\xff\xfe\xff"), "has no picture (UnicodeDecodeError)"),
    "deep JSON": (http(b"[" * 100_000), "has no picture (RecursionError)"),
    "another key": (http(b'{"predictions": []}'), "has no picture (KeyError)"),
    "no row": (http(b'{"outputs": []}'), "has no picture (IndexError)"),
    "a list": (http(b"[1]"), "has no picture (TypeError)"),
    "null": (http(b'{"outputs": [{"b64": null}]}'), "has no picture (TypeError)"),
    "no base64": (http(outputs("not base64!")), "has no picture (Error)"),
    "base64 of nothing": (right(b""), "is not the picture: it cannot be read"),
    "base64 of garbage": (right(b"garbage" * 9), "is not the picture: it cannot be read"),
    "half a PNG": (right(png()[:50]), "is not the picture: it cannot be read"),
    "another size": (right(png(8, 9)), "is not the picture: it has 9x8 pixels"),
    "a bomb": (right(png(20_000, 20_000, "1")), "is not the picture: it"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak HTTP"),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "does not speak HTTP"),
    "a refusal": (http(b'{"error": "too dark"}', status="400 Bad Request"), "HTTP 400: too dark"),
    "a refusal in HTML": (http(b"<b>no</b>", status="403 Forbidden"), "HTTP 403: '<b>no</b>'"),
    "elsewhere": (http(b"", status="302 Found"), "HTTP 302: ''"),
}


@pytest.mark.parametrize("name", NO_PICTURE)
def test_an_answer_that_is_none_is_named(fill, tmp_path, name):
    answer, words = NO_PICTURE[name]
    with rest(answer) as (url, asked):
        code, said, _ = fill(url, deadline=20)
    assert code == 1
    assert words in said and f"{tmp_path / 'photo.png'}: " in said, said
    assert "0 of 1 photographs filled" in said
    assert len(asked) == 1, "it is no better the next time"
    assert not (tmp_path / "out").exists()


BODY = outputs("QUJD")
CUT_OFF = {
    "nothing": b"",
    "in the header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "in the body": http(BODY[:9], f"Content-Length: {len(BODY)}"),
    "in a chunk": http(b"20\r\n" + BODY[:9], "Transfer-Encoding: chunked"),
    "in a body of no length": http(BODY[:9], "Connection: close"),
    "by an overload": http(b"", status="503 Service Unavailable"),
}


@pytest.mark.parametrize("name", CUT_OFF)
def test_what_is_cut_off_is_asked_for_again(fill, tmp_path, name):
    with rest(CUT_OFF[name], CUT_OFF[name], right(png())) as (url, asked):
        code, said, _ = fill(url, deadline=20)
    assert (code, len(asked)) == (0, 3), said
    filled = read_picture(tmp_path / "out" / "photo.png").rgb
    assert (filled[4:8, 4:8] == (255, 0, 0)).all()


@pytest.mark.parametrize("name", CUT_OFF)
def test_and_is_a_failure_in_the_end(fill, name):
    with rest(CUT_OFF[name]) as (url, asked):
        code, said, seconds = fill(url, deadline=2.0)
    assert code == 1 and "No answer within 2 s; the last try: " in said, said
    assert len(asked) > 1 and seconds < 2.0 + IN_TIME


SLOW = {
    "no answer": itertools.repeat(b""),
    "one byte after the other": drips(),
    "a slow header": drips(b"HTTP/1.1 200 OK\r\nX: "),
    "a slow body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"),
    "an endless body": itertools.chain(
        [b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b" " * 2**16)
    ),
    "endless chunks": itertools.chain(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\n \r\n")
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_the_deadline_is_that_of_the_whole_call(fill, name):
    with rest(SLOW[name]) as (url, _):
        code, said, seconds = fill(url, deadline=2.0)
    assert code == 1, said
    # Where nothing comes at all, the socket may notice it first.
    assert re.search(
        r"No answer within 2 s; the last try: (the answer was not whole in )?time", said
    )
    assert seconds < 2.0 + IN_TIME


def test_the_length_of_an_answer_is_limited(fill, monkeypatch):
    monkeypatch.setattr(server, "MESSAGE_BYTES", 2**20)
    with rest(http(b" " * 2**21)) as (url, asked):
        code, said, _ = fill(url, deadline=20)
    assert code == 1 and "answer is longer than 1 MiB" in said, said
    assert len(asked) == 1


@pytest.mark.parametrize("url", ["http://localhost:port", "http://[::1", "grpc://localhost:8500"])
def test_a_server_that_is_no_url(url):
    with pytest.raises(UserError, match="is no URL"):
        server.server_engine(url)


GRPC = {
    "no message": (lambda: b"garbage", "INTERNAL"),
    "no output": (lambda: message(), "has no `output_bytes` of one photograph"),
    "another output": (lambda: message(output=[b"x"]), "has no `output_bytes` of one photograph"),
    "two": (lambda: message(output_bytes=[b"x", b"y"]), "has no `output_bytes` of one photograph"),
    "no picture": (lambda: message(output_bytes=[b"x"]), "is not the picture"),
    "too late": (None, "DEADLINE_EXCEEDED"),
}


@pytest.mark.parametrize("name", GRPC)
def test_an_answer_over_grpc_that_is_none_is_named(fill, name):
    answer, words = GRPC[name]
    with over_grpc(answer) as address:
        code, said, _ = fill(address, deadline=2.0 if answer is None else 20)
    assert code == 1 and words in said and "photo.png: " in said, said


def test_an_answer_over_grpc(fill, tmp_path):
    with over_grpc(lambda: message(output_bytes=[png()])) as address:
        code, said, _ = fill(address, deadline=20)
    assert code == 0, said
    assert (read_picture(tmp_path / "out" / "photo.png").rgb[4:8, 4:8] == (255, 0, 0)).all()
