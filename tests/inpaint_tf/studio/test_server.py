"""Requests to a studio: what other programs can ask for, and what is refused."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner
from documents import ROOT, read
from PIL import Image
from studio_server import ask, form, served

from inpaint_tf.cli.fill import command as fill_command
from inpaint_tf.studio import security
from inpaint_tf.studio.server import bind
from neuralgym_lite.errors import UserError

TOKEN = "a-token"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a photograph that has EXIF, and its mask."""
    place = tmp_path_factory.mktemp("place")
    (place / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    image = Image.fromarray(pixels).resize((64, 48))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a maker", 6
    image.save(place / "photos" / "photo.jpg", exif=exif, quality=90)
    mask = np.zeros((64, 48), np.uint8)
    mask[20:30, 10:30] = 255
    Image.fromarray(mask).save(place / "mask.png")
    return place


@pytest.fixture(scope="module")
def url(place):
    with served(place / "photos") as (url, _):
        yield url


@pytest.fixture
def files(place):
    photo, mask = place / "photos" / "photo.jpg", place / "mask.png"
    return {"image": photo.read_bytes(), "mask": mask.read_bytes()}


def png(*size, color=0):
    buffer = io.BytesIO()
    Image.new("L", size, color).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_answer_is_what_the_command_writes(url, place, files, tmp_path):
    options = ["--mask", str(place / "mask.png"), "--model", "telea", "--out", str(tmp_path)]
    photo = str(place / "photos" / "photo.jpg")
    for more, fields in (
        ([], {}),
        (["--blend", "--detail", "--grow", "3"], {"blend": "true", "detail": "1", "grow": "3"}),
        (["--invert-mask"], {"invert_mask": "true", "model": "telea"}),
    ):
        done = CliRunner().invoke(fill_command, [photo, *options, *more])
        assert done.exit_code == 0, done.output
        answer = ask(f"{url}/api/v1/fill", **form(**files, **fields))
        assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.body == (tmp_path / "photo.jpg").read_bytes()


def test_the_documented_requests_give_the_same(url, place, files, tmp_path):
    shutil.copy(place / "photos" / "photo.jpg", tmp_path)
    shutil.copy(place / "mask.png", tmp_path)
    document = read(ROOT / "docs" / "studio.md")
    (command,) = [
        command.text
        for block in document
        if block.language == "bash"
        for command in block.commands()
        if command.program[0] == "curl"
    ]
    script = command.replace("localhost:8765", url).replace("grow=4", "grow=4 -F model=telea")
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True, timeout=60)
    (code,) = [block.text for block in document if block.language == "python"]
    known = {}
    exec(code.replace('"ca-photos"', '"telea"'), known)  # noqa: S102
    filled = known["fill"](tmp_path / "photo.jpg", tmp_path / "mask.png", url)
    assert (tmp_path / "filled.jpg").read_bytes() == filled
    assert filled == ask(f"{url}/api/v1/fill", **form(**files, grow="4")).body
    with pytest.raises(RuntimeError, match="not a readable"):
        known["fill"](__file__, tmp_path / "mask.png", url)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": b"no picture"}, "`image`: not a readable"),
        ({"mask": b"no picture"}, "has no mask that can be used: `mask`: not a readable"),
        ({"mask": png(5, 5)}, "is 48x64 pixels upright, but its mask `mask` is 5x5"),
        ({"mask": "text"}, "Send `mask` as a file"),
        ({"model": "../secret"}, "Unknown model: '../secret'"),
        ({"grow": "-1"}, "`grow` must be a whole number"),
        ({"blend": "perhaps"}, "`blend` must be true or false"),
        ({"radius": "3"}, "Unknown field 'radius'"),
        ({"mask": png(48, 64, color=255)}, "everything is missing"),
    ],
)
def test_a_mistake_is_one_line(url, files, change, words):
    answer = ask(f"{url}/api/v1/fill", **form(**{**files, **change}))
    assert answer.status == 400
    assert words in answer.json["error"]
    assert "\n" not in answer.json["error"]
    assert "/tmp" not in answer.json["error"]


def test_an_empty_mask_gives_the_photograph_and_a_note(url, files):
    answer = ask(f"{url}/api/v1/fill", **form(**{**files, "mask": png(48, 64)}))
    assert answer.status == 200
    assert answer.body == files["image"]
    assert "nothing%20as%20missing" in answer.headers["x-note"]


def test_the_document_describes_what_is_there(url):
    document = ask(f"{url}/api/v1/openapi.json").json
    assert document["openapi"].startswith("3.")
    for path, methods in document["paths"].items():
        for method in methods:
            assert ask(f"{url}{path}", method.upper()).status in (200, 400), path
    names = [each["name"] for each in ask(f"{url}/api/v1/models").json["models"]]
    assert names[0] == "telea"
    assert {"ns", "ca-photos"} <= {*names}


def test_ready_once_the_model_is_loaded(place, monkeypatch):
    opened = threading.Event()
    with served() as (url, studio):
        load = studio.engine.inpainter
        monkeypatch.setattr(studio.engine, "inpainter", lambda *a: (opened.wait(20), load(*a))[1])
        assert ask(f"{url}/health").status == 200
        assert ask(f"{url}/ready").status == 503
        assert ask(f"{url}/studio/state").json["ready"] is False
        studio.load()
        opened.set()
        studio.worker.submit("other", lambda job: None).future.result(20)
        assert ask(f"{url}/ready").status == 200


def test_a_model_that_cannot_be_loaded_is_told(monkeypatch):
    with served() as (url, studio):
        monkeypatch.setattr(studio.engine, "inpainter", fail)
        studio.load()
        studio.worker.submit("other", lambda job: None).future.result(20)
        assert ask(f"{url}/ready").json == {"status": "failed"}
        assert ask(f"{url}/studio/state").json["error"] == "it is damaged"


def fail():
    raise UserError("it is damaged")


def test_a_client_that_goes_away_is_not_served(url, files):
    with served() as (url, studio):
        begun, told = threading.Event(), threading.Event()
        studio.worker.submit("other", lambda job: (begun.set(), told.wait(20)))
        assert begun.wait(20)
        with socket.create_connection(url.removeprefix("http://").split(":")) as client:
            request = form(**files)
            head = f"POST /api/v1/fill HTTP/1.1\r\nHost: {url.removeprefix('http://')}\r\n"
            head += f"Content-Length: {len(request['body'])}\r\n"
            head += f"Content-Type: {request['headers']['Content-Type']}\r\n\r\n"
            client.sendall(head.encode() + request["body"])
            until = time.monotonic() + 20
            while not studio.worker._waiting and time.monotonic() < until:
                time.sleep(0.01)
            (job,) = studio.worker._waiting["api 127.0.0.1"]
        while not job.future.cancelled() and time.monotonic() < until:
            time.sleep(0.01)
        told.set()
        assert job.future.cancelled()


def test_a_broken_upload_leaves_nothing_behind():
    with served() as (url, studio):
        place = f"{url}/studio/documents"
        answer = ask(f"{place}?name=a/../b%00.png", "POST", b"no picture")
        assert answer.status == 400
        assert answer.json["error"].startswith("b\\x00.png: not a readable")
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            head = f"POST /studio/documents HTTP/1.1\r\nHost: {host}:{port}\r\n"
            client.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
            until = time.monotonic() + 20
            while not list(studio.documents.folder.iterdir()) and time.monotonic() < until:
                time.sleep(0.01)
        while list(studio.documents.folder.iterdir()) and time.monotonic() < until:
            time.sleep(0.01)
        assert list(studio.documents.folder.iterdir()) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": ""},
        {"Host": "["},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize(
    "path", ["/studio/state", "/api/v1/fill", "/studio/thumbnail?path=photo.jpg"]
)
def test_other_pages_and_names_are_refused(url, headers, path):
    answer = ask(f"{url}{path}", "POST" if "fill" in path else "GET", headers=headers)
    assert answer.status == 403
    assert "error" in answer.json


def test_the_own_page_is_not_refused(url):
    for host in (
        url.removeprefix("http://"),
        url.removeprefix("http://").replace("127.0.0.1", "localhost"),
    ):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert ask(f"{url}/studio/state", headers=headers).status == 200
    linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = ask(url, headers=linked)
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_too_large_requests_are_refused_unread(url, monkeypatch):
    monkeypatch.setattr(security, "MOST_BYTES", 1000)
    fields = form(image=b"x" * 2000, mask=b"x")
    assert ask(f"{url}/api/v1/fill", **fields).status == 413
    chunked = {**fields["headers"], "Transfer-Encoding": "chunked"}
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        lines = [
            f"{name}: {value}" for name, value in {"Host": f"{host}:{port}", **chunked}.items()
        ]
        client.sendall("\r\n".join(["POST /api/v1/fill HTTP/1.1", *lines, "", ""]).encode())
        client.sendall(f"{len(fields['body']):x}\r\n".encode() + fields["body"] + b"\r\n0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_elsewhere_a_token_is_needed():
    with served(host="0.0.0.0", token=TOKEN) as (url, _):
        assert ask(f"{url}/health").status == 200
        for path in ("/", "/studio/state", "/static/main.js", "/?token=wrong", "/ready"):
            assert ask(f"{url}{path}").status == 401, path
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert ask(f"{url}/studio/state", headers=bearer).status == 200
        assert ask(f"{url}/studio/state", headers={"Authorization": "Bearer x"}).status == 401
        entered = ask(f"{url}/?token={TOKEN}")
        assert (entered.status, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert ask(f"{url}/", headers={"Cookie": cookie.split(";")[0]}).status == 200
        for host, status in (("10.0.0.7:80", 200), ("evil.example", 403)):
            assert ask(f"{url}/studio/state", headers={**bearer, "Host": host}).status == status


def test_only_the_folder_is_served(url, place):
    (place / "photos" / "out.png").symlink_to(place / "mask.png")
    for path in ("../mask.png", "out.png", "/etc/passwd", "none.jpg"):
        assert ask(f"{url}/studio/thumbnail?path={path}").status == 400
        assert ask(f"{url}/studio/documents?path={path}", "POST").status == 400
    for path in (
        "/static/../pages.py",
        "/static/%2e%2e/pages.py",
        "/etc/passwd",
        "/photos/photo.jpg",
    ):
        assert ask(f"{url}{path}").status == 404
    listed = ask(f"{url}/studio/folder").json
    assert [each["path"] for each in listed["photographs"]] == ["photo.jpg"]
    thumbnail = ask(f"{url}/studio/thumbnail?path=photo.jpg")
    assert Image.open(io.BytesIO(thumbnail.body)).size == (48, 64)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("view?version=3", 404),
        ("view?version=x", 400),
        ("crop?left=0&top=0&right=90&bottom=9", 400),
        ("crop?left=9&top=9&right=9&bottom=9", 400),
        ("versions/1/patch", 404),
        ("versions/1/attention", 404),
    ],
)
def test_what_a_document_does_not_have_is_told(url, path, status):
    key = ask(f"{url}/studio/documents?path=photo.jpg", "POST").json["key"]
    assert ask(f"{url}/studio/documents/{key}/{path}").status == status
    assert ask(f"{url}/studio/documents/none/{path}").status == 404


def test_a_port_in_use_is_one_line():
    with bind("127.0.0.1", 0) as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} of 127.0.0.1 is in use; choose another"):
            bind("127.0.0.1", port)
    with pytest.raises(UserError, match="`host` nowhere.invalid cannot be bound to"):
        bind("nowhere.invalid", 0)
