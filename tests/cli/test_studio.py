"""`inpaint-tf studio`: what it prints, how it ends, and what it refuses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from inpaint_tf.cli import main
from inpaint_tf.cli import studio as module
from inpaint_tf.cli.studio import command

LINES = 24


def refused(*arguments: str, capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["inpaint-tf", "studio", *arguments])
        main.main()
    out, err = capfd.readouterr()
    assert (end.value.code, out, err.count("\n")) == (2, "", 1), err
    return err


def test_help_is_one_screen():
    shown = CliRunner().invoke(command, ["--help"], terminal_width=80).stdout
    assert len(shown.splitlines()) <= LINES
    assert "--no-browser" in shown


def test_it_says_its_address_and_ends_by_ctrl_c(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "inpaint_tf", "studio", str(tmp_path), "--model", "telea"]
        + ["--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        url = process.stdout.readline().strip()
        host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
        assert host == "127.0.0.1"
        with socket.create_connection((host, int(port)), 20) as client:
            client.sendall(f"GET /health HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (130, "")
    assert err.split("\n") == [
        "The page is open at this address. Ctrl-C ends it.",
        "",
        "Stopped.",
        "",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_one_line(capfd):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        message = refused("--port", port, capfd=capfd)
    assert message == (
        f"Error: Port {port} of 127.0.0.1 is in use; choose another --port (0: any that is free)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["--model", "telae"], "There is no model 'telae'. Did you mean 'telea'?"),
        (["--host", "nowhere.invalid"], "--host nowhere.invalid cannot be bound to"),
        (["--port", "70000"], "70000"),
    ],
)
def test_a_mistake_is_one_line(arguments, words, capfd):
    assert words in refused(*arguments, capfd=capfd)


def test_a_missing_package_is_named(monkeypatch, capfd):
    monkeypatch.delitem(sys.modules, "inpaint_tf.studio.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    message = refused(capfd=capfd)
    assert "needs the package 'uvicorn': pip install 'inpaint-tf[studio]'" in message


def test_elsewhere_the_address_has_a_token(monkeypatch, capsys):
    from inpaint_tf.studio import server

    made = []

    class NeverStarted(server.Server):
        def run(self, sockets=None):
            self._on_start()
            made.append(self.config.app)

    monkeypatch.setattr(server, "Server", NeverStarted)
    monkeypatch.setattr(module.webbrowser, "open", lambda url: pytest.fail("it was opened"))
    options = ["--host", "0.0.0.0", "--port", "0", "--model", "telea", "--no-browser"]
    command.main(options, standalone_mode=False)
    (app,) = made
    token = app.user_middleware[0].kwargs["token"]
    app.state.studio.close()
    assert len(token) > 30
    assert capsys.readouterr().out.strip().endswith(f"/?token={token}")


def test_the_page_is_opened_where_there_is_a_display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not module._has_display()
    monkeypatch.setenv("DISPLAY", ":0")
    assert module._has_display()
