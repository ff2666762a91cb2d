"""Damaged, odd and hostile picture files, each a function of its number, and what becomes of it."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, PngImagePlugin

SEED = 5
BOMB = 60_000  # pixels a side that a header announces
SWOLLEN = zlib.compress(bytes(10**8))


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
    "TIFF": ("1", "L", "LA", "P", "I;16", "RGB", "RGBA", "CMYK"),
}
SUFFIX = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "BMP": "bmp", "TIFF": "tif"}


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
    if format == "TIFF":
        options = {"compression": str(rng.choice(["raw", "tiff_lzw", "tiff_adobe_deflate"]))}
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


def of_many_scans(count, progressive=True):
    return in_turns(count) if progressive else layer_by_layer(count)


def layer_by_layer(count):
    """A baseline JPEG of three layers, whose last scan stands there again and again."""
    scan = b"\xff\xda\0\x08\x01%c\0\0\x3f\0"
    parts = b"".join(bytes([layer, 0x11, 0]) for layer in (1, 2, 3))
    codes = bytes([1] + [0] * 15) + b"\0"
    start = b"\xff\xd8\xff\xdb\0\x43\0" + bytes([1] * 64)
    start += b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 1600, 1600, 3) + parts
    start += b"".join(b"\xff\xc4\0\x14" + bytes([table]) + codes for table in (0, 0x10))
    scans = b"".join(scan % layer for layer in (1, 2, 3)) + scan % 1 * count
    return start + scans + b"\xff\xd9"


def in_turns(count):
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
    format = str(rng.choice(["GIF", "ICO", "PPM", "TGA"]))
    more = {"save_all": True, "append_images": frames[1:]} if format == "GIF" else {}
    return refused(encode(frames[0], format, **more), rng)


def animated(rng):
    frames = [picture(rng, "RGBA", 20, 24) for _ in range(3)]
    format = str(rng.choice(["WEBP", "PNG", "TIFF"]))
    more = {} if format == "TIFF" else {"duration": 9}
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], **more)
    return Case(data, "png", (20, 24))


def bomb(rng):
    webp = b"VP8X" + struct.pack("<IB3x", 10, 2) + struct.pack("<I", BOMB - 1)[:3] * 2
    jpeg = bytearray(encode(Image.new("RGB", (16, 16)), "JPEG"))
    size = jpeg.index(b"\xff\xc0") + 5
    jpeg[size : size + 4] = struct.pack(">HH", BOMB, BOMB)
    bmp = bytearray(encode(Image.new("RGB", (16, 16)), "BMP"))
    bmp[18:26] = struct.pack("<ii", BOMB, BOMB)
    sides = b"".join(struct.pack("<HHII", tag, 4, 1, BOMB) for tag in (256, 257))
    rest = ((258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, BOMB), (279, 100))
    rest = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in rest)
    kinds = {
        "tif": b"II*\0\x08\0\0\0\x09\0" + sides + rest + bytes(4),
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
    count, progressive = int(rng.choice([5, 600, 5000])), bool(rng.integers(2))
    fine = count == 5 and progressive
    return Case(of_many_scans(count, progressive), "jpg", reads=fine, fills=fine)


def turned(rng):
    size = tuple(int(side) for side in rng.integers(8, 40, 2))
    exif = Image.Exif()
    exif[0x0112] = orientation = int(rng.integers(1, 9))
    format = str(rng.choice(["JPEG", "PNG", "WEBP", "TIFF"]))
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
        (b"cHRM", body[:32]),
        (b"cICP", body[:9]),
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
    case.fills = case.mask == "empty"  # of "full" nothing is known
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
