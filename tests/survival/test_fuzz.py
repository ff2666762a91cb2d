"""Thousands of damaged, odd and hostile picture files through `data check` and `fill`.

No crash, no traceback, no hang, bounded memory; a file that is bad is named once, and the others
are filled.
"""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from neuralgym_lite.images import ImageError, read_mask, read_picture

FEW, ALL = 300, 10_000
SEED = 5
HANG = 10  # seconds from one file to the next
MEMORY = 1536  # MiB, of which TensorFlow takes 700
BOMB = 60_000  # pixels a side that a header announces
SWOLLEN = zlib.compress(bytes(10**8))
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


@dataclass
class Case:
    """A file, the size of its picture, and what must become of it; None is "one or the other"."""

    data: bytes
    suffix: str
    size: tuple[int, int] = (16, 16)  # width, height, upright
    reads: bool | None = True
    fills: bool | None = True
    mask: str = "hole"
    name: str = field(default="")


# ------------------------------------------------------------------------------- pictures as bytes


def pixels(rng, width, height, channels=4):
    """Smooth colours with some noise, as photographs have."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin((a * x + b * y) / 9 + c) for a, b, c in rng.uniform(0, 3, (channels, 3))]
    noise = rng.normal(0, 4, (height, width, channels))
    return np.clip(128 + 90 * np.stack(waves, axis=-1) + noise, 0, 255).astype("uint8")


def encode(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


MODES = {
    "PNG": ("1", "L", "LA", "P", "PA", "I;16", "RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
}
SUFFIX = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "BMP": "bmp"}


def picture(rng, mode, width, height):
    values = pixels(rng, width, height)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype("uint16") * 257)
    rgba = Image.fromarray(values)
    return rgba.convert("RGB").convert("CMYK") if mode == "CMYK" else rgba.convert(mode)


def whole(rng, format=None):
    """A good file of any format, mode and size."""
    format = format or str(rng.choice(list(MODES)))
    mode = str(rng.choice(MODES[format]))
    size = tuple(int(side) for side in rng.integers(8, 49, 2))
    image = picture(rng, "P" if mode == "PA" else mode, *size)
    options = {}
    if mode == "PA":
        options["transparency"] = rng.integers(0, 256, 256, "uint8").tobytes()
    if format == "JPEG":
        options = {"quality": int(rng.integers(20, 100)), "progressive": bool(rng.integers(2))}
    if format == "WEBP":
        options = {"lossless": bool(rng.integers(2))}
    return Case(encode(image, format, **options), SUFFIX[format], size)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def in_png(rng, *chunks):
    """A good PNG with more chunks after its header."""
    data = encode(picture(rng, "RGB", 16, 16), "PNG")
    return data[:33] + b"".join(chunk(*each) for each in chunks) + data[33:]


def png_header(width, height):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000)))


def of_many_scans(count):
    """A progressive JPEG that goes over its pixels again and again, 15 bits each time."""
    table = b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + b"\xe0"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x01\x00" + b"\x7f\xfe"
    start = encode(Image.new("L", (16, 16), 90), "JPEG", progressive=True)[:-2]
    return start + table + scan * count + b"\xff\xd9"


# ------------------------------------------------------------------------------------ what is made


def good(rng):
    return whole(rng)


def wrong_suffix(rng):
    case = whole(rng)
    case.suffix = str(rng.choice([*SUFFIX.values(), "jpeg", "PNG"]))
    return case


def truncated(rng):
    case = whole(rng)
    case.data = case.data[: rng.integers(0, len(case.data))]
    case.reads = case.fills = False if len(case.data) < 12 else None
    return case


def cut_at_the_end(rng):
    case = whole(rng)
    return unknown(case, case.data[: -rng.integers(1, 20)])


def bits_flipped(rng):
    case = whole(rng)
    data = bytearray(case.data)
    for place in rng.integers(0, len(data) * 8, rng.integers(1, 30)):
        data[place // 8] ^= 1 << (place % 8)
    return unknown(case, bytes(data))


def header_flipped(rng):
    case = whole(rng)
    data = bytearray(case.data)
    for place in rng.integers(0, min(len(data), 64) * 8, rng.integers(1, 4)):
        data[place // 8] ^= 1 << (place % 8)
    return unknown(case, bytes(data))


def header_overwritten(rng):
    """Lengths, counts and sizes become the largest or the smallest."""
    case = whole(rng)
    place = rng.integers(4, min(len(case.data), 600))
    value = [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"][rng.integers(4)]
    return unknown(case, case.data[:place] + value + case.data[place + 4 :])


def spliced(rng):
    case, other = whole(rng), whole(rng)
    data, rest = case.data, other.data
    start, end = sorted(rng.integers(0, len(data), 2))
    first, last = sorted(rng.integers(0, len(rest), 2))
    inserts = (b"", rest[first:last], rng.bytes(50), data[start:end] * 3, bytes(100))
    return unknown(case, data[:start] + inserts[rng.integers(len(inserts))] + data[end:])


def unknown(case, data):
    case.data, case.reads, case.fills = data, None, None
    return case


def nothing(rng):
    return refused(b"", rng)


def text(rng):
    words = (b"not a picture", b"<html><body>404</body></html>", b"\x00" * 5000, rng.bytes(3000))
    return refused(words[rng.integers(len(words))], rng)


def other_kind(rng):
    frames = [picture(rng, "RGB", 16, 16) for _ in range(3)]
    format = str(rng.choice(["GIF", "TIFF", "ICO", "PPM", "TGA"]))
    more = {"save_all": True, "append_images": frames[1:]} if format in ("GIF", "TIFF") else {}
    return refused(encode(frames[0], format, **more), rng)


def animated(rng):
    frames = [picture(rng, "RGBA", 20, 24) for _ in range(3)]
    format = str(rng.choice(["WEBP", "PNG"]))
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], duration=9)
    return Case(data, "png", (20, 24))


def bomb(rng):
    webp = b"VP8X" + struct.pack("<IB3x", 10, 2) + struct.pack("<I", BOMB - 1)[:3] * 2
    jpeg = bytearray(encode(Image.new("RGB", (16, 16)), "JPEG"))
    size = jpeg.index(b"\xff\xc0") + 5
    jpeg[size : size + 4] = struct.pack(">HH", BOMB, BOMB)
    bmp = bytearray(encode(Image.new("RGB", (16, 16)), "BMP"))
    bmp[18:26] = struct.pack("<ii", BOMB, BOMB)
    kinds = {
        "png": png_header(BOMB, BOMB),
        "jpg": bytes(jpeg),
        "webp": b"RIFF" + struct.pack("<I", 1000) + b"WEBP" + webp + bytes(978),
        "bmp": bytes(bmp),
    }
    suffix = str(rng.choice(list(kinds)))
    return Case(kinds[suffix], suffix, reads=False, fills=False)


def long_and_thin(rng):
    """Within the limit of pixels, but with sides that nobody has, and nearly no data."""
    sides = [(1, 60_000_000), (60_000_000, 1), (2**20, 61), (61, 2**20), (2**31 - 1, 0), (0, 5)]
    width, height = sides[rng.integers(len(sides))]
    bmp = bytearray(encode(Image.new("P", (16, 16)), "BMP"))
    bmp[18:26] = struct.pack("<ii", width, height)
    bmp[30:34] = struct.pack("<I", 1)  # run lengths
    data = [png_header(width, height), bytes(bmp)][rng.integers(2)]
    return unknown(Case(data, "png"), data)


def many_scans(rng):
    count = int(rng.choice([5, 600, 5000]))
    fine = count == 5
    return Case(of_many_scans(count), "jpg", reads=fine, fills=fine)


def turned(rng):
    size = tuple(int(side) for side in rng.integers(8, 40, 2))
    exif = Image.Exif()
    exif[0x0112] = orientation = int(rng.integers(1, 9))
    format = str(rng.choice(["JPEG", "PNG", "WEBP"]))
    options = {"lossless": True} if format == "WEBP" else {}
    data = encode(picture(rng, "RGB", *size), format, exif=exif, **options)
    return Case(data, SUFFIX[format], size[::-1] if orientation > 4 else size)


def bad_exif(rng):
    exif = Image.Exif()
    exif[0x0112] = int(rng.choice([0, 9, 255, 6]))
    exif[0x010E] = "a description that is long enough to lie in the directory's end" * 3
    raw = bytearray(exif.tobytes())
    for place in rng.integers(6, len(raw), 12):
        raw[place] = rng.integers(256)
    format = str(rng.choice(["JPEG", "PNG", "WEBP"]))
    image = picture(rng, "RGB", 16, 16)
    return Case(encode(image, format, exif=bytes(raw)), SUFFIX[format])


def bad_profile(rng):
    profile = rng.bytes(int(rng.choice([1, 17, 130, 3000])))
    if len(profile) > 20 and rng.integers(2):
        profile = profile[:16] + b"RGB " + profile[20:]
    format = str(rng.choice(["JPEG", "PNG", "WEBP"]))
    return Case(encode(picture(rng, "RGB", 16, 16), format, icc_profile=profile), SUFFIX[format])


def bad_chunk(rng):
    """Texts and profiles in a PNG that are garbage, or that swell to 100 MB."""
    bodies = (SWOLLEN, SWOLLEN[:-4], rng.bytes(40), b"")
    body = bodies[rng.integers(len(bodies))]
    chunks = (
        (b"zTXt", b"Comment\0\0" + body),
        (b"iTXt", b"Comment\0\1\0\0\0" + body),
        (b"iCCP", b"profile\0\0" + body),
        (b"eXIf", body),
        (b"tRNS", body[:20]),
        (b"PLTE", body[:300]),
        (b"acTL", body[:8]),
        (b"gAMA", body[:4]),
    )
    data = in_png(rng, chunks[rng.integers(len(chunks))])
    return unknown(Case(data, "png"), data)


def many_texts(rng):
    info = PngImagePlugin.PngInfo()
    for number in range(300):
        info.add_text(f"key {number}", "x" * 500_000, zip=True)
    data = encode(picture(rng, "RGB", 16, 16), "PNG", pnginfo=info)
    return unknown(Case(data, "png"), data)


def tiny(rng):
    size = tuple(int(side) for side in rng.choice([1, 3, 7, 40], 2))
    data = encode(picture(rng, "RGB", *size), "PNG")
    return Case(data, "png", size, fills=min(size) >= 8)


def long(rng):
    size = (int(rng.integers(5000, 40_000)), 8)
    if rng.integers(2):
        size = size[::-1]
    return Case(encode(picture(rng, "RGB", *size), "PNG"), "png", size)


def mask_trouble(rng):
    case = whole(rng)
    case.mask = str(rng.choice(["none", "empty", "full", "other size", "truncated", "bomb"]))
    case.fills = case.mask in ("empty", "full")
    return case


def large(mode, format, side=5000):
    """A picture of a large camera."""
    line = (np.arange(side) // 31).astype("uint8")
    grey = Image.fromarray(np.add.outer(line, line))
    image = Image.merge("RGBA", [grey] * 4).convert(mode)
    return Case(encode(image, format, **({"compress_level": 1})), SUFFIX[format], image.size)


KINDS = (
    good,
    truncated,
    bits_flipped,
    spliced,
    header_flipped,
    header_overwritten,
    wrong_suffix,
    bits_flipped,
    truncated,
    spliced,
    cut_at_the_end,
    nothing,
    text,
    other_kind,
    animated,
    bomb,
    many_scans,
    turned,
    bad_exif,
    bad_profile,
    bad_chunk,
    tiny,
    mask_trouble,
)
RARE = (long, many_texts, long_and_thin)  # one in a hundred
LARGE = {"RGBA": "PNG", "CMYK": "JPEG"}  # with --full
ODD = ("", " of a day", "-ü-漢", "-[red]", "-'\"$(ls)", "-\udcff", "-%s{0}", "--json")


def refused(data, rng):
    return Case(data, str(rng.choice(list(SUFFIX.values()))), reads=False, fills=False)


def make(index):
    rng = np.random.default_rng([SEED, index])
    kind = RARE[index // 100 % len(RARE)] if index % 100 == 99 else KINDS[index % len(KINDS)]
    case = kind(rng)
    case.name = f"{index:05d}-{kind.__name__}{rng.choice(ODD)}.{case.suffix}"
    return case


def make_large(index, mode, format):
    case = large(mode, format)
    case.name = f"{index:05d}-{mode}.{case.suffix}"
    return case


def write(case, photos, masks):
    (photos / case.name).write_bytes(case.data)
    write_mask(case, masks)


def write_mask(case, masks):
    width, height = case.size
    mask = np.zeros((height, width), "uint8")
    mask[height // 3 : height // 3 + 9, width // 3 : width // 3 + 9] = 255
    if case.mask == "none":
        return
    if case.mask in ("empty", "full"):
        mask[:] = 255 * (case.mask == "full")
    if case.mask == "other size":
        mask = np.pad(mask, 1)
    data = encode(Image.fromarray(mask), "PNG")
    if case.mask == "truncated":
        data = data[: len(data) // 2]
    if case.mask == "bomb":
        data = png_header(BOMB, BOMB)
    (masks / case.name).with_suffix(".png").write_bytes(data)


# --------------------------------------------------------------------------------------- the tests


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
    done, told = named(stdout, photos), named(stderr, photos)
    assert set(done.values()) == {1}
    empty = {number for number, case in cases.items() if case.mask == "empty"}
    failed = told.keys() - empty
    assert set(told.values()) == {1}
    assert done.keys() | failed == cases.keys()
    assert not done.keys() & failed
    assert f"{len(failed)} of {len(cases)} photographs failed." in stderr
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
            np.testing.assert_array_equal(opacity(after), opacity(before), source.name)
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
