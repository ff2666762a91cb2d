"""`inpaint-tf fill`: what it prints where, exit codes, and that it writes whole files only."""

from __future__ import annotations

import importlib
import json
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import inpaint_tf
from inpaint_tf.cli._options import with_options
from inpaint_tf.cli.fill import command
from inpaint_tf.inference import ClassicalInpainter, Inpainter, photographs
from inpaint_tf.inference.inpainter import Options
from neuralgym_lite import progress
from neuralgym_lite.errors import UserError

fill_module = importlib.import_module("inpaint_tf.cli.fill")


class Attentive(Inpainter):
    """Fills with black and looks at itself."""

    name = "attentive"
    has_attention = True

    def _predict(
        self, images: np.ndarray, masks: np.ndarray, options: Options
    ) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros_like(images), np.zeros((1, 2, 3, 2), np.int32)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with four photographs and a mask, where models load at once."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    for name in "abcd":
        Image.fromarray(pixels).save(f"photos/{name}.png")
    mask = np.zeros((16, 24), np.uint8)
    Image.fromarray(mask).save("empty.png")
    mask[3:7, 4:9] = 255
    Image.fromarray(mask).save("mask.png")

    def load(name: str, **_: object) -> Inpainter:
        return Attentive() if name == "attentive" else ClassicalInpainter(name)

    monkeypatch.setattr(inpaint_tf, "load", load, raising=False)
    return tmp_path


def fill(*arguments: str, model: str = "telea", mask: str = "mask.png") -> Result:
    options = ["--mask", mask, "--model", model, "--out", "out"]
    return CliRunner().invoke(command, [*arguments, *options])


def written() -> list[str]:
    return sorted(path.as_posix() for path in Path("out").rglob("*"))


def test_one_line_a_result_on_stdout() -> None:
    result = fill("photos/a.png", "photos/b.png")
    assert result.exit_code == 0
    assert result.stdout == ("filled photos/a.png -> out/a.png\nfilled photos/b.png -> out/b.png\n")
    assert result.stderr == ""
    assert written() == ["out/a.png", "out/b.png"]


def test_json_lines() -> None:
    Path("photos/b.png").write_text("fake")
    result = fill("photos", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["filled", "failed", "filled", "filled"]
    assert rows[0].pop("seconds") > 0
    assert rows[0] == {
        "name": "a.png",
        "source": "photos/a.png",
        "target": "out/a.png",
        "status": "filled",
        "message": "",
        "width": 24,
        "height": 16,
    }
    assert "not a readable" in rows[1]["message"]
    assert rows[1]["name"] == "b.png"
    assert rows[1]["width"] is rows[1]["height"] is None


def test_json_lines_of_all_shards_are_those_of_the_whole() -> None:
    Path("photos/b.png").write_text("fake")
    for index in range(20):
        Path(f"photos/{index}.png").write_bytes(Path("photos/a.png").read_bytes())

    def rows(*arguments: str) -> list[dict[str, object]]:
        lines = fill("photos", "--json", *arguments).stdout.splitlines()
        found = [json.loads(line) for line in lines]
        return [{key: row[key] for key in row if key != "seconds"} for row in found]

    parts = [rows("--shard", f"{index}/3") for index in (1, 2, 3)]
    assert all(parts)
    joined = sorted((row for part in parts for row in part), key=lambda row: str(row["name"]))
    assert joined == rows()


def test_going_on() -> None:
    Path("photos/b.png").write_text("fake")
    assert fill("photos", "--skip-existing").exit_code == 1
    Path("photos/b.png").write_bytes(Path("photos/a.png").read_bytes())
    result = fill("photos", "--skip-existing")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "skipped photos/a.png -> out/a.png",
        "filled photos/b.png -> out/b.png",
        "skipped photos/c.png -> out/c.png",
        "skipped photos/d.png -> out/d.png",
    ]
    assert result.stderr.splitlines()[-1] == "Photographs: 1 filled, 3 skipped."


def test_a_shard_without_photographs() -> None:
    found = [fill("photos/a.png", "--shard", f"{index}/2") for index in (1, 2)]
    assert [result.exit_code for result in found] == [0, 0]
    told = [result.stderr for result in found]
    assert sorted(told)[0] == ""
    assert told.index(sorted(told)[1]) + 1 == int(sorted(told)[1][-5])
    assert written() == ["out/a.png"]


def test_a_lone_photograph_of_a_shard_is_one_of_many() -> None:
    Path("photos/a.png").write_text("fake")
    ends = {fill("photos/a.png", "--shard", f"{index}/2").exit_code for index in (1, 2)}
    assert ends == {0, 1}


@pytest.mark.parametrize("text", ["3", "1/", "1/2/3", "-1/2", "a/b", "1.5/2", "\u0661/2", ""])
def test_what_is_no_shard(text: str) -> None:
    result = fill("photos", "--shard", text)
    assert result.exit_code == 2
    assert "such as 1/8 for the first of 8 parts" in result.stderr
    assert written() == []


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0"])
def test_shards_are_counted_from_1(text: str) -> None:
    message = with_options(refused("photos", "--shard", text), command)
    assert message == f"--shard must be I/N with I from 1 to N. Received: {text}"


def test_what_takes_long_to_plan_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = photographs.plan_jobs

    def slowly(*arguments: Any) -> list[photographs.Job]:
        assert told.wait(30)
        return plan(*arguments)

    told = threading.Event()
    real = fill_module.tell
    monkeypatch.setattr(fill_module, "tell", lambda text: (real(text), told.set()))
    monkeypatch.setattr(fill_module, "_SOON", 0.01)
    monkeypatch.setattr(photographs, "plan_jobs", slowly)
    assert fill("photos/a.png").stderr == "Pairing photographs and masks.\n"


def test_an_empty_mask_is_told_and_no_failure() -> None:
    result = fill("photos/a.png", mask="empty.png")
    assert result.exit_code == 0
    assert result.stdout == "unchanged photos/a.png -> out/a.png\n"
    assert result.stderr == (
        "photos/a.png: its mask empty.png marks nothing as missing: its lightest pixel has level 0 "
        "of 255, and only levels above 127 count (dark ones with --invert-mask); copied\n"
    )
    assert Path("out/a.png").read_bytes() == Path("photos/a.png").read_bytes()


def test_some_failures_are_named_and_exit_1() -> None:
    Path("photos/b.png").write_bytes(Path("photos/b.png").read_bytes()[:200])
    result = fill("photos")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout.count("filled ") == 3
    lines = result.stderr.splitlines()
    assert lines[0].startswith("photos/b.png: damaged picture")
    assert lines[-1] == "Photographs: 3 filled, 1 failed."
    assert written() == ["out/a.png", "out/c.png", "out/d.png"]


@pytest.mark.parametrize("method", ["ns", "telea"])
def test_what_is_missing_everywhere_is_no_result(method: str) -> None:
    Image.new("L", (24, 16), 255).save("all.png")
    words = "everything is missing, and '{}' needs known pixels around a hole"
    message = refused("photos/a.png", model=method, mask="all.png")
    assert message == f"photos/a.png: with its mask all.png, {words.format(method)}"
    assert fill("photos/a.png", model="attentive", mask="all.png").exit_code == 0
    assert not np.array(Image.open("out/a.png")).any()


def test_a_photograph_of_a_folder_that_is_missing_everywhere_fails_alone() -> None:
    Path("masks").mkdir()
    for name in "abcd":
        Path(f"masks/{name}.png").write_bytes(Path("mask.png").read_bytes())
    Image.new("L", (24, 16), 255).save("masks/b.png")
    result = fill("photos", model="ns", mask="masks")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == (
        "photos/b.png: with its mask masks/b.png, everything is missing, and 'ns' needs known "
        "pixels around a hole"
    )
    assert lines[-1] == "Photographs: 3 filled, 1 failed."
    assert written() == ["out/a.png", "out/c.png", "out/d.png"]


def black() -> np.ndarray:
    """Return where the result of `Attentive` is black."""
    return (np.array(Image.open("out/a.png")) == 0).all(axis=-1)


def test_inverting_comes_before_growing() -> None:
    mask = np.full((16, 24), 255, np.uint8)
    mask[7, 9] = 0
    Image.fromarray(mask).save("dark.png")
    fill("photos/a.png", "--invert-mask", model="attentive", mask="dark.png")
    np.testing.assert_array_equal(black(), mask == 0)
    fill("photos/a.png", "--invert-mask", "--grow", "3", model="attentive", mask="dark.png")
    y, x = np.mgrid[:16, :24]
    np.testing.assert_array_equal(black(), np.hypot(y - 7, x - 9) <= 3)


@pytest.mark.parametrize("pixels", ["-1", "1.5", "much"])
def test_no_number_of_pixels_to_grow_by(pixels: str) -> None:
    result = fill("photos/a.png", "--grow", pixels)
    assert result.exit_code == 2
    assert "'--grow'" in result.stderr
    assert written() == []


def test_attention_map() -> None:
    result = fill("photos/a.png", "--attention-map", model="attentive")
    assert result.exit_code == 0, result.exception
    assert written() == ["out/a.attention.png", "out/a.png"]


@pytest.mark.parametrize("options", [[], ["--attention-map"]])
def test_blending(options: list[str]) -> None:
    Image.new("RGB", (24, 16), (200, 150, 100)).save("plain.png")
    fill("plain.png", *options, model="attentive")
    assert np.array(Image.open("out/plain.png")).min() == 0
    result = fill("plain.png", "--blend", *options, model="attentive")
    assert result.exit_code == 0, result.exception
    blended = np.array(Image.open("out/plain.png")).astype(int)
    np.testing.assert_allclose(blended, np.full((16, 24, 3), (200, 150, 100)), atol=3)


@pytest.mark.parametrize("options", [[], ["--attention-map"]])
def test_detail(options: list[str]) -> None:
    for arguments in ([], ["--detail"], ["--no-detail"]):
        result = fill("photos/a.png", *arguments, *options, model="attentive")
        assert result.exit_code == 0, result.exception
        filled = np.array(Image.open("out/a.png"))[3:7, 4:9]
        assert filled.any() == (arguments == ["--detail"])


@pytest.mark.filterwarnings("default")
def test_a_terminal_shows_a_bar_and_stdout_stays_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(
        progress.Track, "advance", lambda track, *_, **__: shown.append(track.total)
    )
    result = fill("photos")
    assert shown == [4] * 4
    assert result.stdout.count("\n") == 4
    shown.clear()
    fill("photos/a.png", "photos/b.png")
    assert shown == []


# Refusals: one line each, exit 2 (the main command turns a UserError into that)


def refused(*arguments: str, **options: str) -> str:
    result = fill(*arguments, **options)
    assert isinstance(result.exception, UserError), result.output
    assert result.stdout == ""
    assert written() == []
    message = str(result.exception)
    assert "\n" not in message
    return message


def bomb(path: str) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum)


def test_a_lone_photograph_that_fails_is_wrong_usage() -> None:
    Path("fake.jpg").write_text("no photograph\nat all")
    assert "fake.jpg: not a readable" in refused("fake.jpg")


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Attentive, "_predict", None)
    options = ["--mask", "mask.png", "--model", "attentive", "--out", "/proc"]
    result = CliRunner().invoke(command, ["photos", *options])
    assert isinstance(result.exception, UserError)
    assert "'/proc' cannot be written to: " in str(result.exception)


def test_a_mask_of_another_size() -> None:
    Image.new("L", (8, 9), 255).save("small.png")
    message = refused("photos/a.png", mask="small.png")
    assert message == "photos/a.png: is 24x16 pixels upright, but its mask small.png is 8x9"


def test_a_photograph_under_8_pixels() -> None:
    for name in ("tiny.png", "tiny-mask.png"):
        Image.new("L", (30, 7), 255).save(name)
    assert "at least 8 pixels" in refused("tiny.png", mask="tiny-mask.png")


def test_a_bomb_and_the_option() -> None:
    bomb("bomb.png")
    with Path("bomb.png").open("ab") as file:
        file.write(b"\0\0\0\0IDAT\x35\xaf\x06\x1e")
    message = refused("bomb.png")
    assert "bomb.png: 20000x20000 pixels are over the limit of 64 megapixels" in message
    assert "--max-megapixels" in message
    Image.new("L", (1100, 1000), 0).save("large.png")
    assert "limit of 1 megapixels" in refused("large.png", "--max-megapixels", "1")


def test_missing_things_and_clashes() -> None:
    Path("nothing").mkdir()
    assert "none.png: no such file or folder" in refused("none.png")
    assert "nothing: no picture in it" in refused("nothing")
    assert "no-mask.png: no such mask" in refused("photos", mask="no-mask.png")
    assert "Did you mean 'telea'" in refused("photos", model="tela")
    Path("other").mkdir()
    Image.new("L", (16, 24)).save("other/a.png")
    message = refused("photos", "other")
    assert "photos/a.png" in message
    assert "other/a.png" in message


def test_no_attention_in_a_classical_method() -> None:
    message = refused("photos", "--attention-map", model="ns")
    assert message == "Model 'ns' has no attention; leave out --attention-map"


def test_writing_over_the_photographs() -> None:
    before = Path("photos/a.png").read_bytes()
    options = ["--mask", "mask.png", "--model", "telea", "--out", "photos"]
    result = CliRunner().invoke(command, ["photos", *options])
    assert isinstance(result.exception, UserError)
    assert "would be written over the input photos/a.png" in str(result.exception)
    assert Path("photos/a.png").read_bytes() == before


def test_help_and_missing_options_need_no_model() -> None:
    assert CliRunner().invoke(command, ["--help"]).exit_code == 0
    result = CliRunner().invoke(command, ["photos", "--mask", "mask.png"])
    assert result.exit_code == 2
    assert "--out" in result.stderr


class Slow(Attentive):
    """Tells of its progress."""

    def _predict(
        self, images: np.ndarray, masks: np.ndarray, options: Options
    ) -> tuple[np.ndarray, np.ndarray]:
        for share in (0.25, 0.5, 1.0):
            options.on_progress(share)
        return super()._predict(images, masks, options)


def test_progress_within_a_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inpaint_tf, "load", lambda name, **_: Slow())
    real = progress.Progress.__init__
    monkeypatch.setattr(progress.Progress, "__init__", lambda self: real(self, every=0))
    result = fill("photos/a.png", "photos/b.png")
    assert result.exit_code == 0
    assert result.stdout.count("filled") == 2
    assert result.stderr.count("25/100 % of a photograph") == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("1.5 gib", 3 * 2**29),
        ("500MB", 5 * 10**8),
        ("64MiB", 2**26),
        ("2GiB", 2**31),
    ],
)
def test_memory_and_coarse_at_reach_the_network(
    monkeypatch: pytest.MonkeyPatch, text: str, size: int
) -> None:
    given: list[dict[str, int]] = []

    def load(name: str, **options: int | None) -> Inpainter:
        given.append({key: value for key, value in options.items() if value is not None})
        return Attentive()

    monkeypatch.setattr(inpaint_tf, "load", load)
    assert fill("photos/a.png", "--memory", text, "--coarse-at", "512").exit_code == 0
    assert given == [{"memory": size, "coarse_at": 512, "engine": "auto"}]


@pytest.mark.parametrize("text", ["2", "0", "GB", "2TB", "-1GB", "0GB", "much"])
def test_no_size_of_a_memory(text: str) -> None:
    result = fill("photos/a.png", "--memory", text)
    assert result.exit_code == 2
    assert f"'{text}' is not a size of memory such as 2GB or 500MB." in result.stderr
    assert written() == []
