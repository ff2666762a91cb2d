"""Progress: few plain lines in a file, a bar on a terminal."""

from __future__ import annotations

import io

import pytest

from neuralgym_lite.progress import Progress, clock_text, speed_text


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_come_at_most_so_often():
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, every=10, clock=clock) as progress:
        track = progress.track(100, "it", start=20)
        for _ in range(30):
            clock.now += 1
            track.advance(2, note="loss 0.5")
    assert stream.getvalue().splitlines() == [
        "40/100 it, 2.00 it/s, loss 0.5",  # how long the first took, compiling, foretells nothing
        "60/100 it, 2.00 it/s, 0:00:20 left, loss 0.5",
        "80/100 it, 2.00 it/s, 0:00:10 left, loss 0.5",
    ]


def test_the_end_is_told_once_even_after_an_error():
    clock, stream = Clock(), io.StringIO()
    with pytest.raises(RuntimeError), Progress(stream, every=10, clock=clock) as progress:
        track = progress.track(5, "images")
        progress.track(5, "idle")
        for _ in range(4):
            clock.now += 2
            track.advance()
        raise RuntimeError
    assert stream.getvalue() == "4/5 images, 2.0 s each\n"


def test_a_track_that_is_done_says_no_time_left():
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, clock=clock) as progress:
        track = progress.track(3, "images")
        clock.now += 1
        track.advance(3)
    assert stream.getvalue() == "3/3 images, 3.00 images/s\n"


def test_nothing_advanced_is_no_division_by_zero():
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, every=1, clock=clock) as progress:
        track = progress.track(3, "images")
        clock.now += 2
        track.advance(0)
    assert stream.getvalue() == "0/3 images\n"


def test_talk_goes_out_as_it_is():
    for stream in (io.StringIO(), Terminal()):
        with Progress(stream) as progress:
            progress.log("skipped [bold]a.jpg[/bold]")
        assert "skipped [bold]a.jpg[/bold]\n" in stream.getvalue()


def test_what_steers_a_terminal_does_not_get_there(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    name = "\x1b[31mred\x07\n\u202egpj.\udcff"
    shown = r"\x1b[31mred\x07\n\u202egpj." + "\ufffd"
    for stream in (io.StringIO(), Terminal()):
        with Progress(stream, every=0) as progress:
            progress.log(f"skipped {name}")
            progress.track(2, "images").advance(note=name)
        written = stream.getvalue()
        assert f"skipped {shown}\n" in written
        assert written.count(shown) >= 2
        assert "\x1b[31m" not in written and "\x07" not in written and "\u202e" not in written
        written.encode()


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Progress(stream) as progress:
        track = progress.track(8, "it", start=2)
        for _ in range(6):
            track.advance(note="loss [0.5]")
    last = stream.getvalue()
    assert "8/8" in last
    assert "it/s" in last
    assert "loss [0.5]" in last


def test_stderr_is_where_it_goes(capsys):
    with Progress() as progress:
        progress.log("hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


@pytest.mark.parametrize(
    ("speed", "text"), [(2.5, "2.50 it/s"), (1, "1.00 it/s"), (0.25, "4.0 s each"), (0, "")]
)
def test_speed_text(speed, text):
    assert speed_text(speed, "it") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.6, "0:01:00"), (3661, "1:01:01"), (360000, "100:00:00")],
)
def test_clock_text(seconds, text):
    assert clock_text(seconds) == text


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_dropped_track_is_not_told_of(stream):
    with Progress(stream) as progress:
        track = progress.track(100, "things")
        track.advance(30)
        track.drop()
        progress.log("done")
    assert "30/100 things" not in stream.getvalue().splitlines()
    assert "done" in stream.getvalue()
