"""What commands print: any names, and nothing that steers a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaint_tf.cli import main as main_module
from inpaint_tf.cli._echo import echo, echo_json, tell
from inpaint_tf.cli.main import main
from inpaint_tf.data import open_photos
from neuralgym_lite.errors import printable

NAMES = (
    "\x1b[31mred\x07.png",
    "two\nlines.png",
    "[bold]x[-bold].png",
    "\u202egpj.png",
    "\x7f\x9b.png",
    os.fsdecode(b"\xff.png"),
)
SHOWN = (
    r"\x1b[31mred\x07.png",
    r"two\nlines.png",
    "[bold]x[-bold].png",
    r"\u202egpj.png",
    r"\x7f\x9b.png",
    "\ufffd.png",
)


@pytest.fixture(autouse=True)
def _photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INPAINT_TF_WEIGHTS", raising=False)
    Path("photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for name in NAMES:
        Image.fromarray(pixels).save(Path("photos", name), format="PNG")
    mask = np.zeros((32, 32), np.uint8)
    mask[8:16, 8:16] = 255
    Image.fromarray(mask).save("mask.png")


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command line; return how it ends and what it prints, which must be plain."""
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["inpaint-tf", *arguments])
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    out, err = capfd.readouterr()
    steering = {c for c in out + err if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
    assert steering <= {"\n", "\t"}
    return code, out, err


def test_fill_prints_a_line_a_photograph(capfd: pytest.CaptureFixture[str]) -> None:
    fill = ["fill", "photos", "--mask", "mask.png", "--model", "telea", "--out", "out"]
    code, out, err = run(capfd, *fill)
    assert code == 0, err
    assert sorted(out.splitlines()) == sorted(f"filled photos/{x} -> out/{x}" for x in SHOWN)
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(NAMES)
    code, out, err = run(capfd, *fill, "--json")
    assert {Path(json.loads(line)["target"]).name for line in out.splitlines()} == set(NAMES)


def test_fill_names_what_fails(capfd: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        Path("photos", name).write_bytes(b"no picture")
    fill = ["fill", "photos", "--mask", "mask.png", "--model", "telea", "--out", "out"]
    code, _, err = run(capfd, *fill)
    assert code == 1
    assert all(f"photos/{x}: not a readable" in err for x in SHOWN)
    for name, shown in zip(NAMES, SHOWN, strict=True):
        code, out, err = run(capfd, "fill", f"photos/{name}", *fill[2:])
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"Error: photos/{shown}: not a readable")


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_are_one_line(capfd: pytest.CaptureFixture[str], name: str) -> None:
    for arguments in ([name], ["train", name], ["data", "check", name], ["evaluate", name]):
        code, out, err = run(capfd, *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), err


def test_data_shows_names_on_a_line_each(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "data", "split", "photos", "--dataset", "folder")
    assert code == 0
    assert sorted(line.split("\t")[1] for line in out.splitlines()) == sorted(SHOWN)
    code, out, _ = run(capfd, "data", "split", "photos", "--dataset", "folder", "--json")
    assert sorted(sum(json.loads(out).values(), [])) == sorted(NAMES)
    Path("photos", NAMES[0]).write_bytes(b"no picture")
    code, out, _ = run(capfd, "data", "check", "photos", "--dataset", "folder")
    assert code == 1
    assert f"broken   photos/{SHOWN[0]}: not a readable" in out
    assert all(f"{shown} (" in out for shown in SHOWN[1:])  # the same picture, many times


def test_evaluate_names_photographs_and_folders(capfd: pytest.CaptureFixture[str]) -> None:
    for index in range(30):
        shutil.copy(Path("photos", NAMES[0]), Path("photos", f"{index}\n\x1b.png"))
    broken = open_photos("folder", Path("photos")).test[0]
    Path("photos", broken).write_bytes(b"no picture")
    options = ["--data-dir", "photos", "--image-size", "32", "--out", "a\nb\x07"]
    code, out, err = run(capfd, "evaluate", "ns", *options)
    assert code == 1
    assert f"Left out: photos/{printable(broken)}: not a readable" in err
    assert r"grid.png to 'a\nb\x07'." in err
    assert out.startswith("| method")
    page = Path("a\nb\x07", "report.html").read_text()
    assert f"<li>photos/{broken}: not a readable" in page.replace("&#x27;", "'")


def test_json_stays_json(capfd: pytest.CaptureFixture[str]) -> None:
    document = {"\x7f\x1b\n": ["\u202e\udcff\x9b", 1.5]}
    echo_json(document)
    echo_json(document, indent=None)
    out, _ = capfd.readouterr()
    assert out.replace("\n", " ").isprintable()
    assert json.loads(out.splitlines()[-1]) == document
    assert json.loads("".join(out.splitlines()[:-1])) == document


def test_cells_are_told_apart(capfd: pytest.CaptureFixture[str]) -> None:
    echo("a\tb", Path("c"))
    tell("a\tb")
    assert capfd.readouterr() == ("a\\tb\tc\n", "a\\tb\n")


def test_no_command_prints_in_another_way() -> None:
    folder = Path(main_module.__file__).parent
    others = {
        path.name: re.findall(r"click\.echo\(.*|\bprint\(.*|\.write\(\".*", path.read_text())
        for path in folder.glob("*.py")
        if path.name != "_echo.py"
    }
    # The program's own help has many lines.
    assert others.pop("main.py") == ["click.echo(error.format_message(), err=True)"]
    assert not any(others.values()), others
