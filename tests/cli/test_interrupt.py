"""Ctrl-C: one line, exit code 130, and nothing half-written."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

import inpaint_tf
from inpaint_tf.cli import main as main_module
from inpaint_tf.inference import ClassicalInpainter
from neuralgym_lite import images


@pytest.fixture(autouse=True)
def _photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INPAINT_TF_WEIGHTS", raising=False)
    Path("photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for index in range(3):
        Image.fromarray(pixels).save(f"photos/{index}.png")
    mask = np.zeros((40, 40), np.uint8)
    mask[8:16, 8:16] = 255
    Image.fromarray(mask).save("mask.png")
    monkeypatch.setattr(
        inpaint_tf, "load", lambda name, **_: ClassicalInpainter(name), raising=False
    )


def interrupted(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that is interrupted; return what it had printed."""
    handler = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["inpaint-tf", *arguments])
        main_module.main()
    out, err = capfd.readouterr()
    assert end.value.code == 130
    # The line that ^C stands on is ended first.
    assert err.endswith("\nStopped.\n") and err.count("Stopped") == 1
    assert "Traceback" not in err
    assert signal.getsignal(signal.SIGINT) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    return out


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def at_call(number: int, function: Callable[..., object]) -> Callable[..., object]:
    """Return the function, during the n-th call of which Ctrl-C is pressed."""
    calls: list[int] = []

    def pressed(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == number:
            ctrl_c()
        return function(*arguments, **options)

    return pressed


def hidden() -> list[str]:
    return [str(path) for path in Path().rglob(".*")]


def test_fill(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fill = ["fill", "photos", "--mask", "mask.png", "--model", "telea", "--out"]
    main_module.cli.main([*fill, "whole"], standalone_mode=False)
    told = capfd.readouterr().out.replace("whole", "out")
    # Within the write of the second photograph, which a thread ends.
    monkeypatch.setattr(os, "fsync", at_call(2, os.fsync))
    assert told.startswith(interrupted(capfd, *fill, "out"))
    found = sorted(path.name for path in Path("out").rglob("*"))
    assert found[:2] == ["0.png", "1.png"]
    for name in found:
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
    assert hidden() == []


@pytest.mark.parametrize("moment", ["fills", "writes"])
def test_evaluate(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    if moment == "fills":
        monkeypatch.setattr(ClassicalInpainter, "fill", at_call(2, ClassicalInpainter.fill))
    else:
        monkeypatch.setattr(os, "fsync", at_call(2, os.fsync))
    arguments = ["--dataset", "samples", "--image-size", "32", "--limit", "3", "--out", "out"]
    interrupted(capfd, "evaluate", "ns", *arguments)
    assert [path.name for path in Path("out").iterdir()] == ["grid.png"][: moment == "writes"]
    assert hidden() == []


def test_data_check(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_decode", at_call(2, images._decode))
    for index in range(3, 30):
        Path(f"photos/{index}.png").write_bytes(Path("photos/0.png").read_bytes())
    assert interrupted(capfd, "data", "check", "photos") == ""


def stub(monkeypatch: pytest.MonkeyPatch, function: Callable[[], None]) -> None:
    """Make a function the command `doctor`."""
    command = click.command("doctor")(function)
    monkeypatch.setattr(main_module._Commands, "get_command", lambda *_: command)


def test_an_interrupt_that_was_dropped_comes_again(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_module, "_AGAIN", 0.1)
    ended: list[float] = []

    def deaf() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            ctrl_c()
            time.sleep(1)
        ended.append(time.monotonic())
        time.sleep(60)

    stub(monkeypatch, deaf)
    interrupted(capfd, "doctor")
    assert time.monotonic() - ended[0] < 30


def test_cleaning_up_is_not_interrupted(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_module, "_AGAIN", 0.05)
    cleaned: list[bool] = []

    @contextlib.contextmanager
    def slow() -> object:  # type: ignore[misc]
        try:
            yield
        finally:
            time.sleep(0.5)
            cleaned.append(True)

    def careful() -> None:
        with slow():
            ctrl_c()
            time.sleep(60)

    stub(monkeypatch, careful)
    interrupted(capfd, "doctor")
    assert cleaned == [True]


def test_the_whole_process(tmp_path: Path) -> None:
    for index in range(3, 400):
        Path(f"photos/{index}.png").write_bytes(Path("photos/0.png").read_bytes())
    command = [sys.executable, "-m", "inpaint_tf", "data", "check", "photos"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = [process.stderr.readline() for _ in range(2)]  # it has begun to read
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=300)
    assert first[-1] == "Reading 400 images.\n"
    # A shell shows 130 also for a process that ends itself by the signal, as Python may.
    assert process.returncode in (130, -signal.SIGINT)
    assert rest.endswith("\nStopped.\n") and "Traceback" not in rest
