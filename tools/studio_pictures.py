"""Draws the images of docs/studio.md: python tools/studio_pictures.py --out docs/images.

It starts the studio, paints on two photographs of scikit-image in Chromium, and takes pictures of
the page.
"""

from __future__ import annotations

import importlib.resources
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from neuralgym_lite.folders import atomic_write

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
# Over the spoon of the coffee, and over the rocket.
SPOON = [(395, 165), (385, 205), (372, 235), (352, 270), (368, 285), (345, 250)]
ROCKET = [(321, 140), (322, 200), (322, 270), (322, 340), (314, 378), (330, 378)]
SIZE = {"width": 1080, "height": 680}
SECONDS = 300  # for a model to load, and for a fill


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the PNGs.")
def main(out: Path) -> None:
    """Take a picture of painting in the light, and of comparing in the dark."""
    expect.set_options(timeout=1000 * SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        photos.mkdir()
        for name in PHOTOGRAPHS:
            with importlib.resources.as_file(importlib.resources.files("skimage")) as package:
                shutil.copy(package / "data" / name, photos)
        process = subprocess.Popen(
            [sys.executable, "-m", "inpaint_tf", "studio", str(photos), "--port", "0"]
            + ["--no-browser"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            url = process.stdout.readline().strip()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
                )
                atomic_write(out / "studio-paint.png", painting(browser, url))
                atomic_write(out / "studio-compare.png", comparing(browser, url))
        finally:
            process.terminate()
            process.wait()


def painting(browser: Browser, url: str) -> bytes:
    """Return the light page with something painted over."""
    page = opened(browser, url, "coffee.png", "light")
    draw(page, SPOON)
    return small(page.screenshot())


def comparing(browser: Browser, url: str) -> bytes:
    """Return the dark page with the divider over what was filled."""
    page = opened(browser, url, "rocket.jpg", "dark")
    draw(page, ROCKET)
    page.locator("#fill").click()
    expect(page.locator("#save")).to_be_enabled()
    page.locator("#compare").click()
    page.mouse.move(5, 300)
    return small(page.screenshot())


def opened(browser: Browser, url: str, name: str, scheme: str) -> Page:
    """Return a page with an open photograph, which does not fill by itself."""
    page = browser.new_page(viewport=SIZE, color_scheme=scheme)
    page.add_init_script("localStorage.setItem('auto', 'false')")
    page.goto(url)
    page.locator(f"#photographs button[data-path='{name}']").click()
    expect(page.locator("#name")).to_have_text(name)
    expect(page.locator("#toast")).to_be_empty()
    page.wait_for_load_state("networkidle")
    return page


def draw(page: Page, places: list[tuple[int, int]]) -> None:
    """Draw a stroke through places of the photograph."""
    box = page.locator("#photo").bounding_box()
    scale = box["width"] / page.locator("#photo").evaluate("canvas => canvas.width")
    points = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def small(data: bytes) -> bytes:
    """Return a PNG with fewer colors."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(method=Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
