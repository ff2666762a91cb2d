"""Thousands of damaged, odd and hostile picture files through `data check` and `fill`.

No crash, no traceback, no hang, bounded memory; a file that is bad is named once, and the others
are filled.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from odd_pictures import LARGE, SEED, Case, make, make_large, pixels, write, write_mask
from PIL import Image

from neuralgym_lite.images import ImageError, read_mask, read_picture

FEW, ALL = 300, 10_000
HANG = 10  # seconds from one file to the next
MEMORY = 1536  # MiB, of which TensorFlow takes 700
# A driver in place of `inpaint-tf`: the watch is set anew whenever a file is opened.
DRIVER = f"""
import atexit, faulthandler, json, pathlib, sys, time
from itertools import pairwise
from inpaint_tf.cli.main import main
from neuralgym_lite import images

decode, report, seen = images._decode, sys.argv.pop(1), []

def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

def watched(path, *rest):
    faulthandler.dump_traceback_later({HANG}, exit=True)
    seen.append((time.monotonic(), peak(), path.name))
    return decode(path, *rest)

@atexit.register
def write():
    seen.append((time.monotonic(), peak(), ""))
    took = [(b[0] - a[0], a[2]) for a, b in pairwise(seen)]
    grew = [(b[1] - a[1], a[2]) for a, b in pairwise(seen)]
    result = {{"slowest": max(took), "peak": peak(), "grew most": max(grew)}}
    pathlib.Path(report).write_text(json.dumps(result))

images._decode = watched
main()
"""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory, full):
    """Folders of photographs and masks, and their cases by the number at which a name begins."""
    folder = tmp_path_factory.mktemp("fuzz")
    photos, masks = folder / "photos", folder / "masks"
    photos.mkdir()
    masks.mkdir()
    count = ALL if full else FEW
    cases = {}
    for index in range(count):
        cases[index] = make(index)
        write(cases[index], photos, masks)
        cases[index].data = b""
    for index, (mode, format) in enumerate(LARGE.items() if full else (), count):
        cases[index] = make_large(index, mode, format)
        write(cases[index], photos, masks)
    return photos, masks, cases


def carry_out(folder, *arguments):
    """Run a command; return its exit code, stdout and stderr, and keep what it took."""
    report = folder / "report.json"
    command = [sys.executable, "-c", DRIVER, report, *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        check=False,
    )
    assert "Timeout" not in done.stderr, done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert "Warning" not in done.stderr
    took = json.loads(report.read_text())
    print(f"{arguments[0]}: {took}")  # noqa: T201
    assert took["slowest"][0] < HANG
    assert took["peak"] < MEMORY
    return done.returncode, done.stdout, done.stderr


def named(text, folder):
    """Return how often each number of a photograph stands in a text."""
    numbers = [int(number) for number in re.findall(rf"{re.escape(str(folder))}/(\d+)-", text)]
    return {number: numbers.count(number) for number in numbers}


def test_data_check(fuzzed, tmp_path):
    photos, _, cases = fuzzed
    code, stdout, stderr = carry_out(tmp_path, "data", "check", photos)
    assert code == 1
    times = named(stdout + stderr, photos)
    assert set(times.values()) == {1}
    assert f"{len(cases)} (" in stdout
    assert f"{len(times)} broken" in stdout
    for number, case in cases.items():
        bad = number in times
        assert case.reads is None or case.reads != bad, case.name
        assert bad != readable(photos / case.name), case.name


def readable(path):
    try:
        read_picture(path)
    except ImageError:
        return False
    return True


@pytest.mark.parametrize("method", ["ns", "telea"])
def test_fill(fuzzed, tmp_path, method):
    photos, masks, cases = fuzzed
    out = tmp_path / "out"
    more = ("--mask", masks, "--model", method, "--out", out)
    code, stdout, stderr = carry_out(tmp_path, "fill", photos, *more)
    assert code == 1
    lost = re.compile(
        r"^.*(its 16 bits a channel become 8|its first frame of \d+ alone is kept|is left out"
        r"|its first page alone is kept|its CMYK becomes RGB|is damaged and left out)$",
        re.M,
    )
    done, told = named(stdout, photos), named(lost.sub("", stderr), photos)
    assert set(done.values()) == {1}
    empty = {number for number, case in cases.items() if case.mask == "empty"}
    failed = told.keys() - empty
    assert set(told.values()) == {1}
    assert done.keys() | failed == cases.keys()
    assert not done.keys() & failed
    assert f", {len(failed)} failed.\n" in stderr
    assert len(os.listdir(out)) == len(done)  # noqa: PTH208
    for number, case in cases.items():
        assert case.fills is None or case.fills == (number in done), case.name
        if number in done:
            check_known_pixels(photos / case.name, masks / case.name, out / case.name)


def check_known_pixels(source, mask, target):
    """Assert that they are equal, to the byte where the format keeps bytes."""
    before, after = read_picture(source), read_picture(target)
    known = read_mask(mask.with_suffix(".png")) == 0
    assert after.format == before.format, source.name
    if before.format != "JPEG":
        np.testing.assert_array_equal(after.rgb[known], before.rgb[known], source.name)
        if before.format != "BMP":
            expected = np.where(known, opacity(before), 255)
            np.testing.assert_array_equal(opacity(after), expected, source.name)
    elif known.any():
        far = np.abs(after.rgb[known].astype(int) - before.rgb[known])
        assert far.mean() < 6, source.name


def opacity(picture):
    """Return the alpha; WebP leaves out one that is opaque everywhere."""
    opaque = np.full(picture.rgb.shape[:2], 255, "uint8")
    return opaque if picture.alpha is None else picture.alpha


def test_what_is_no_file(tmp_path):
    """Pipes, links to nothing and folders that are called like pictures."""
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir()
    masks.mkdir()
    image = Image.fromarray(pixels(np.random.default_rng(SEED), 16, 16))
    for index in range(3):
        image.save(photos / f"{index:05d}-good.png")
    (photos / "00003-link.png").symlink_to(photos / "nowhere.png")
    (photos / "00004-loop.png").symlink_to("00004-loop.png")
    os.mkfifo(photos / "00005-pipe.png")
    for path in sorted(photos.iterdir()):
        write_mask(Case(b"", "png", name=path.name), masks)
    (photos / "00006-folder.png").mkdir()
    code, stdout, stderr = carry_out(tmp_path, "data", "check", photos)
    assert (code, named(stdout + stderr, photos)) == (1, {3: 1, 4: 1, 5: 1})
    more = ("--mask", masks, "--model", "ns", "--out", tmp_path / "out")
    code, stdout, stderr = carry_out(tmp_path, "fill", photos, *more)
    assert code == 1
    assert named(stdout, photos) == {0: 1, 1: 1, 2: 1}
    assert named(stderr, photos) == {3: 1, 4: 1, 5: 1}
