"""Measure the studio: its first page, a fill from the release of the mouse on, and its memory.

    python benchmarks/studio.py --turns 10 --fills 1000

Each start is a process of its own. The fill is that of a 512x512 photograph with a hole of 100x100
pixels, in a page of Chromium, and in turn with it the same fill by `POST /api/v1/fill`, so that
both see the same load of the machine. Memory is that of the server after 100 fills and after all.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.resources
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from harness import Report, Row, benchmark, spread, take_turns
from PIL import Image
from playwright.sync_api import Page, sync_playwright

SIZE, HOLE = 512, 100
HEADS = "median, s | low | high | n | processor of the server, s"
CELLS = "{what} | {median:.2f} | {low:.2f} | {high:.2f} | {n} | {processor:.2f}"
WARM = 100  # fills before memory is measured
PAGE = ("/", "/static/studio.css", "/static/main.js", "/studio/state")
BROWSER = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
TIMER = """() => {
  let start;
  window.waits = new Promise((resolve) => {
    addEventListener("pointerup", () => (start ??= performance.now()), { capture: true });
    new MutationObserver(() => {
      if (start && document.body.dataset.state === "idle")
        requestAnimationFrame(() => resolve((performance.now() - start) / 1000));
    }).observe(document.body, { attributes: true });
  });
}"""


@benchmark("studio", "Studio", turns=10)
@click.option("--model", default="ca-photos", show_default=True)
@click.option(
    "--fills", default=0, show_default=True, help="Fills for the memory; 0 leaves it out."
)
@click.option("--starts", default=5, show_default=True, help="Processes that are started.")
def main(report: Report, model: str, turns: int, fills: int, starts: int) -> None:
    """Time first pages and fills, and look at the memory."""
    with tempfile.TemporaryDirectory() as folder:
        photo = write_photograph(Path(folder), report.seed)
        found = [first_page(model) for _ in range(starts)]
        report.table(
            "first page",
            f"from the start of the process to | {HEADS}",
            CELLS,
            [row(what, [each[what] for each in found]) for what in found[0]],
        )
        with served(model, Path(folder)) as (process, url):
            wait_until_ready(url)
            report.table(
                "fill",
                f"fill of 512x512, 100 px hole | {HEADS}",
                CELLS,
                measure_fills(process.pid, url, photo, turns),
            )
            if fills:
                report.table(
                    "memory",
                    "fills | resident, MB",
                    "{fills} | {megabytes:.1f}",
                    measure_memory(process, url, photo, fills),
                )


def write_photograph(folder: Path, seed: int) -> Path:
    """Write the photograph and its mask, at a place that depends on the seed."""
    with importlib.resources.as_file(importlib.resources.files("skimage")) as package:
        image = Image.open(package / "data" / "coffee.png").convert("RGB")
    image.resize((SIZE, SIZE)).save(folder / "photo.png")
    top, left = np.random.default_rng(seed).integers(HOLE, SIZE - 2 * HOLE, 2)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[top : top + HOLE, left : left + HOLE] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder / "photo.png"


def start(model: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a server, and return its address when it has said it."""
    command = [sys.executable, "-m", "inpaint_tf", "studio", *arguments, "--model", model]
    process = subprocess.Popen(
        [*command, "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return process, process.stdout.readline().strip().removeprefix("http://").rstrip("/")


@contextlib.contextmanager
def served(model: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve a folder."""
    process, host = start(model, str(folder))
    try:
        yield process, host
    finally:
        process.terminate()
        process.wait()


def row(what: str, pairs: list[tuple[float, float]]) -> Row:
    """Return the spread of seconds, and the median of those of the server's processor."""
    seconds, busy = zip(*pairs, strict=True)
    return {"what": what, **spread(seconds), "processor": float(np.median(busy))}


def processor(pid: int) -> float:
    """Return the seconds that a process has been at work, all threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def first_page(model: str) -> dict[str, tuple[float, float]]:
    """Return the seconds from the start of a process to its address and to its whole page."""
    begin = time.perf_counter()
    process, host = start(model)
    try:
        address = time.perf_counter() - begin, processor(process.pid)
        for path in PAGE:
            ask(host, "GET", path)
        page = time.perf_counter() - begin, processor(process.pid)
        return {"its address": address, "the page": page}
    finally:
        process.kill()
        process.wait()


def ask(host: str, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, bytes]:
    """Send a request, and return its status and body."""
    connection = http.client.HTTPConnection(host, timeout=600)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        body = answer.read()
    if answer.status not in (200, 503):
        raise click.ClickException(f"{path}: {answer.status} {body[:200]!r}")
    return answer.status, body


def wait_until_ready(host: str) -> None:
    """Wait until the model is loaded."""
    while ask(host, "GET", "/ready")[0] != 200:
        time.sleep(0.2)


def measure_fills(pid: int, host: str, photo: Path, turns: int) -> list[Row]:
    """Fill in the page and by the interface for programs, in turn."""
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=BROWSER)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://{host}")
        page.locator("#photographs button[data-path='photo.png']").click()
        page.locator("#dock").wait_for()
        page.keyboard.press("r")
        box = hole_of(photo)
        jobs = {
            "page: release of the mouse to the new picture": lambda: in_page(pid, page, box),
            "POST /api/v1/fill": lambda: by_request(pid, host, photo),
        }
        found = take_turns(jobs, turns)
        browser.close()
    return [row(what, pairs) for what, pairs in found.items()]


def hole_of(photo: Path) -> tuple[int, int]:
    """Return the left upper corner of the hole."""
    rows, columns = np.nonzero(np.asarray(Image.open(photo.with_name("mask.png"))))
    return int(columns.min()), int(rows.min())


def in_page(pid: int, page: Page, corner: tuple[int, int]) -> tuple[float, float]:
    """Draw the hole as a rectangle, wait for the fill, and take it back."""
    place = page.locator("#photo").bounding_box()
    scale = place["width"] / SIZE
    edges = [
        (place["x"] + (corner[0] + d) * scale, place["y"] + (corner[1] + d) * scale)
        for d in (0, HOLE)
    ]
    page.evaluate(TIMER)
    busy = processor(pid)
    page.mouse.move(*edges[0])
    page.mouse.down()
    page.mouse.move(*edges[1], steps=5)
    page.mouse.up()
    seconds = float(page.evaluate("() => window.waits"))
    busy = processor(pid) - busy
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    return seconds, busy


def by_request(pid: int, host: str, photo: Path) -> tuple[float, float]:
    """Fill by one request."""
    parts = {"image": photo.read_bytes(), "mask": photo.with_name("mask.png").read_bytes()}
    body = io.BytesIO()
    for name, data in parts.items():
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'
        body.write(head.encode() + data + b"\r\n")
    body.write(b"--b--\r\n")
    busy = processor(pid)
    begin = time.perf_counter()
    ask(host, "POST", "/api/v1/fill", body.getvalue(), "multipart/form-data; boundary=b")
    return time.perf_counter() - begin, processor(pid) - busy


def measure_memory(
    process: subprocess.Popen[str], host: str, photo: Path, fills: int
) -> Iterator[Row]:
    """Fill again and again, each upon the one before, and look at the memory of the server."""
    _, facts = ask(host, "POST", "/studio/documents?path=photo.png")
    key = json.loads(facts)["key"]
    image = Image.open(photo.with_name("mask.png")).convert("L")
    painted = Image.merge("RGBA", (image, image, image, image))
    buffer = io.BytesIO()
    painted.save(buffer, "PNG")
    version = 0
    for number in range(1, fills + 1):
        path = f"/studio/documents/{key}/fills?version={version}"
        _, lines = ask(host, "POST", path, buffer.getvalue())
        version = json.loads(lines.splitlines()[-1])["version"]
        ask(host, "GET", f"/studio/documents/{key}/versions/{version}/patch")
        if number in (min(WARM, fills), fills):
            yield {"fills": number, "megabytes": resident(process.pid)}


def resident(pid: int) -> float:
    """Return the resident memory of a process in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    main()
