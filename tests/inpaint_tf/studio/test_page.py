"""The page in a real browser: what a mouse paints is filled, saved, undone and never lost."""

from __future__ import annotations

import base64
import functools
import io
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from studio_server import ask, served

import inpaint_tf
from inpaint_tf.cli.fill import command as fill_command
from inpaint_tf.inference import Inpainter, load
from inpaint_tf.studio.reduction import SHOWN

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run") + (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PIXELS = """() => {
  const canvas = document.getElementById(NAME);
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let text = "";
  for (let i = 0; i < data.length; i += 32768)
    text += String.fromCharCode(...data.subarray(i, i + 32768));
  return [canvas.width, canvas.height, btoa(text)];
}"""
DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const type of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true }));
}"""
PASTE = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/png" }));
  window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = [path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))]
    if not found:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=ARGUMENTS)
        expect.set_options(timeout=30_000)
        yield browser
        browser.close()
        expect.set_options(timeout=5_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a photograph in two formats."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    image = Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC)
    (tmp_path / "photos").mkdir()
    image.save(tmp_path / "photos" / "a.png")
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    image.save(tmp_path / "photos" / "b.jpg", exif=exif, quality=90)
    return tmp_path / "photos"


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    with served(folder) as (url, _):
        yield url


class Studio:
    """A page, as somebody uses it who does not want it to fill by itself."""

    def __init__(self, browser: Browser, url: str, auto: bool = False, **options: object) -> None:
        options.setdefault("viewport", {"width": 900, "height": 700})
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(30_000)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(f"localStorage.setItem('auto', '{str(auto).lower()}')")
        self.page.goto(url)

    def __getitem__(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def open(self, name: str) -> None:
        self.page.locator(f"#photographs button[data-path='{name}']").click()
        expect(self["name"]).to_have_text(name)
        expect(self["toast"]).to_have_text("")

    def at(self, column: float, row: float) -> tuple[float, float]:
        """Return where on the page a pixel of the photograph is."""
        box = self["photo"].bounding_box()
        width = self["photo"].evaluate("canvas => canvas.width")
        scale = box["width"] / width
        return box["x"] + column * scale, box["y"] + row * scale

    def drag(self, *places: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(*place), steps=3)
        self.page.mouse.up()

    def pixels(self, name: str = "photo") -> np.ndarray:
        width, height, data = self.page.evaluate(PIXELS.replace("NAME", f"'{name}'"))
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)

    def mask(self) -> np.ndarray:
        return (self.pixels("mask")[..., 3] > 0).astype(np.uint8)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def wait(self) -> None:
        """Wait for the end of a fill that has changed the photograph."""
        expect(self["save"]).to_be_enabled()
        expect(self.page.locator("body")).to_have_attribute("data-state", "idle")

    def fill(self) -> None:
        self.press("Enter")
        self.wait()

    def choose(self, name: str) -> Path:
        """Choose an entry of the menu that gives a file."""
        self["more"].click()
        with self.page.expect_download() as download:
            self[name].click()
        return download.value.path()

    def close(self) -> None:
        self.context.close()
        assert self.errors == []


@pytest.fixture
def studio(browser: Browser, url: str) -> Iterator[Studio]:
    studio = Studio(browser, url)
    yield studio
    studio.close()


def read(file: Path | io.BytesIO) -> np.ndarray:
    with Image.open(file) as image:
        return np.array(image)


def by_command(photo: Path, mask: Path, out: Path, *options: str) -> Path:
    """Return what `inpaint-tf fill` makes of a photograph."""
    done = CliRunner().invoke(
        fill_command, [str(photo), "--mask", str(mask), "--out", str(out), *options]
    )
    assert done.exit_code == 0, done.output
    return out / photo.name


def test_what_is_painted_is_filled_on_release_as_the_command_fills_it(
    browser, url, folder, tmp_path
):
    studio = Studio(browser, url, auto=True)
    studio.open("b.jpg")
    before = studio.pixels()
    studio.drag((40, 30), (60, 44))
    studio.wait()
    studio.press("Control+s")
    expect(studio["toast"]).to_have_text("Saved as b-filled.jpg")
    after = studio.pixels()

    studio.press("Control+z")
    assert np.array_equal(studio.pixels(), before)
    mask = studio.choose("save-mask").rename(tmp_path / "mask.png")
    painted = read(mask)
    assert set(np.unique(painted)) == {0, 255}
    assert np.array_equal(painted > 0, studio.mask() > 0)
    assert painted[30, 40] == painted[44, 60] == 255
    assert painted[5, 5] == 0

    expected = by_command(folder / "b.jpg", mask, tmp_path / "out", "--model", "telea")
    assert (folder / "b-filled.jpg").read_bytes() == expected.read_bytes()
    known = painted == 0
    assert np.array_equal(after[known], before[known])
    assert not np.array_equal(after[~known], before[~known])
    studio.close()


def test_the_default_model_fills_as_the_command_and_goes_on_from_its_result(
    browser, folder, tmp_path, monkeypatch
):
    # The command loads a network of its own, but once.
    monkeypatch.setattr(inpaint_tf, "load", functools.cache(load), raising=False)
    with served(folder, "ca-photos") as (url, _):
        studio = Studio(browser, url)
        studio.context.set_default_timeout(120_000)
        expect.set_options(timeout=120_000)
        studio.open("a.png")
        photo = folder / "a.png"
        for number, (start, end) in enumerate([((30, 30), (50, 40)), ((70, 60), (100, 70))]):
            studio.drag(start, end)
            mask = studio.choose("save-mask").rename(tmp_path / f"mask{number}.png")
            studio.fill()
            photo = by_command(photo, mask, tmp_path / f"out{number}")
            filled = read(photo)
            assert np.array_equal(studio.pixels()[..., :3], filled)
        assert np.array_equal(read(studio.choose("download")), filled)

        studio["attention"].click()
        expect(studio["attention-map"]).to_be_visible()
        shown = studio.pixels("attention-map")[..., 3] > 0
        assert np.array_equal(shown, read(mask) > 0)
        expect.set_options(timeout=30_000)
        studio.close()


def test_undo_redo_save_and_a_page_that_is_loaded_anew(studio, folder):
    studio.open("a.png")
    original = studio.pixels()
    studio.drag((30, 30), (50, 40))
    first = studio.mask()
    studio.fill()
    assert not studio.mask().any()
    filled = studio.pixels()
    studio.drag((80, 60), (100, 70))
    second = studio.mask()
    studio.press("Control+z", "Control+z")
    assert np.array_equal(studio.pixels(), original)
    assert np.array_equal(studio.mask(), first)
    studio.press("Control+z")
    assert not studio.mask().any()
    expect(studio["undo"]).to_be_disabled()
    studio.press("Control+Shift+Z", "Control+Shift+Z", "Control+y")
    assert np.array_equal(studio.pixels(), filled)
    assert np.array_equal(studio.mask(), second)
    expect(studio["redo"]).to_be_disabled()

    studio.page.wait_for_timeout(500)  # it is kept in a moment
    studio.page.reload()
    expect(studio["name"]).to_have_text("a.png")
    expect(studio["clear"]).to_be_enabled()
    assert np.array_equal(studio.pixels(), filled)
    assert np.array_equal(studio.mask(), second)
    studio.press("Control+s")
    expect(studio["toast"]).to_have_text("Saved as a-filled.png")
    assert np.array_equal(read(folder / "a-filled.png"), filled[..., :3])
    studio["undo"].click()
    assert not studio.mask().any()
    studio["undo"].click()
    assert np.array_equal(studio.pixels(), original)
    assert np.array_equal(studio.mask(), first)


def test_a_file_is_not_replaced_unasked(studio, folder):
    original = (folder / "a.png").read_bytes()
    studio.open("a.png")
    studio.drag((30, 30), (50, 40))
    studio.fill()
    studio["save"].click()
    expect(studio["save-name"]).to_have_value("a-filled.png")
    studio["save-name"].fill("a.jpg")
    studio.press("Enter")
    expect(studio["save-error"]).to_contain_text("must end in .png")
    studio["save-name"].fill("")
    studio["save-now"].click()
    expect(studio["save-dialog"]).to_be_visible()
    assert not (folder / "a-filled.png").exists()
    studio["save-name"].fill("a.png")
    studio["save-now"].click()
    expect(studio["save-error"]).to_have_text("a.png exists already. Replace it?")
    assert (folder / "a.png").read_bytes() == original
    studio["save-now"].click()
    expect(studio["save-dialog"]).to_be_hidden()
    assert (folder / "a.png").read_bytes() != original
    assert studio.page.locator("#photographs .done").count() == 1
    studio.drag((80, 60), (100, 70))  # and the page goes on from what it was
    studio.fill()


def test_the_mask_of_a_fill_can_be_saved(studio, tmp_path, folder):
    studio.open("a.png")
    studio.drag((30, 30), (50, 40))
    painted = studio.mask()
    studio.fill()
    saved = studio.choose("save-mask")
    assert np.array_equal(read(saved) > 0, painted.astype(bool))


def test_escape_closes_a_menu_and_nothing_else(studio):
    studio.open("a.png")
    studio["more"].click()
    expect(studio["menu"]).to_be_visible()
    studio.press("Escape")
    expect(studio["menu"]).to_be_hidden()


def test_the_photograph_that_was_opened_last_is_shown(studio):
    held = []
    studio.page.route("**/studio/documents?path=a.png*", lambda route: held.append(route))
    studio.page.locator("#photographs button[data-path='a.png']").click()
    expect(studio["toast"]).to_have_text("Opening…")
    last = studio.page.locator("#photographs button").nth(1).get_attribute("data-path")
    assert last != "a.png"
    studio.open(last)
    with studio.page.expect_response("**/studio/documents?path=a.png*"):
        held[0].continue_()
    studio.page.wait_for_timeout(300)
    expect(studio["name"]).to_have_text(last)


def test_the_folder_shows_what_is_not_done(studio, folder):
    expect(studio.page.locator("#photographs button")).to_have_count(2)
    shutil.copy(folder / "a.png", folder / "a-filled.png")
    studio.page.get_by_text("Not done only").click()
    expect(studio.page.locator("#photographs button")).to_have_count(1)
    expect(studio["count"]).to_have_text("1")
    expect(studio.page.locator("#photographs img")).to_have_js_property("naturalWidth", 128)


def test_a_photograph_is_dropped_and_pasted_and_opened(studio, folder):
    data = base64.b64encode((folder / "a.png").read_bytes()).decode()
    studio.page.evaluate(DROP, ["dropped.png", data])
    expect(studio["name"]).to_have_text("dropped.png")
    studio.page.evaluate(PASTE, ["pasted.png", data])
    expect(studio["name"]).to_have_text("pasted.png")
    studio["file"].set_input_files(folder / "b.jpg")
    expect(studio["name"]).to_have_text("b.jpg")
    studio.drag((30, 30), (50, 40))
    studio.fill()
    with studio.page.expect_download() as download:  # it has no folder to be saved in
        studio["save"].click()
    assert download.value.suggested_filename == "b-filled.jpg"
    with Image.open(download.value.path()) as image:
        assert image.getexif()[0x010F] == "a maker"


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_broken_file_is_one_line_and_changes_nothing(studio, data):
    studio.open("a.png")
    studio.drag((30, 30), (50, 40))
    painted = studio.mask()
    studio.page.evaluate(DROP, ["broken.png", base64.b64encode(data).decode()])
    expect(studio["toast"]).to_have_text(re.compile(r"^broken\.png: [^\n]+$"))
    expect(studio["name"]).to_have_text("a.png")
    assert np.array_equal(studio.mask(), painted)


def test_24_megapixels_are_reduced_on_the_page_and_filled_at_full_size(studio, folder, tmp_path):
    gradient = np.add.outer(np.arange(4000), np.arange(6001)) // 40
    Image.fromarray(gradient.astype(np.uint8)).save(folder / "large.bmp")
    studio["undone"].dispatch_event("change")
    sent: list[int] = []
    studio.page.on(
        "response",
        lambda answer: "/patch" in answer.url and sent.append(len(answer.body())),
    )
    studio.open("large.bmp")
    shape = studio.pixels().shape
    assert shape[:2] == (1000, 1501)
    assert shape[0] * shape[1] <= SHOWN
    studio.drag((700, 500), (760, 540))
    studio.drag((1490, 990), (1500, 999))
    mask = studio.choose("save-mask").rename(tmp_path / "mask.png")
    full = read(mask) > 0
    assert full.shape == (4000, 6001)
    assert np.array_equal(full[::4, ::4], studio.mask() > 0)
    studio.fill()
    studio.press("Control+s")
    expect(studio["toast"]).to_have_text("Saved as large-filled.bmp", timeout=60_000)
    expected = by_command(folder / "large.bmp", mask, tmp_path / "out", "--model", "telea")
    assert (folder / "large-filled.bmp").read_bytes() == expected.read_bytes()
    assert sent and sent[0] < 1_000_000

    studio["photo"].evaluate("canvas => canvas.width")
    studio.page.mouse.move(*studio.at(700, 500))
    studio.page.keyboard.down("Control")
    for _ in range(4):
        studio.page.mouse.wheel(0, -400)
    studio.page.keyboard.up("Control")
    expect(studio["sharp"]).to_be_visible()


def test_two_pages_do_not_meet(browser, url, folder):
    one, two = (Studio(browser, url) for _ in range(2))
    for studio in (one, two):
        studio.open("a.png")
    one.drag((30, 30), (50, 40))
    two.drag((80, 60), (100, 70))
    masks = [one.mask(), two.mask()]
    assert not (masks[0] & masks[1]).any()
    original = one.pixels()
    for studio in (one, two):
        studio.press("Enter")
    for studio, own, other in ((one, *masks), (two, *reversed(masks))):
        studio.wait()
        pixels = studio.pixels()
        assert np.array_equal(pixels[own == 0], original[own == 0])
        assert np.array_equal(pixels[other == 1], original[other == 1])
        assert not np.array_equal(pixels[own == 1], original[own == 1])
        studio.close()


def start_server(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "inpaint_tf", "studio", str(folder), "--model", "telea"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_server_that_is_killed_and_comes_back_loses_nothing(browser, folder, tmp_path):
    process, url = start_server(folder, 0)
    try:
        studio = Studio(browser, url)
        studio.open("a.png")
        studio.drag((30, 30), (50, 40))
        studio.fill()
        first = studio.pixels()
        studio.drag((80, 60), (100, 70))
        painted = studio.mask()
        process.kill()
        process.wait()
        studio.press("Enter")
        expect(studio["offline"]).to_contain_text("The studio does not answer")
        expect(studio["offline"]).to_be_visible()
        assert np.array_equal(studio.mask(), painted)
        assert np.array_equal(studio.pixels(), first)

        process.stdout.close()
        process, again = start_server(folder, int(url.rstrip("/").rpartition(":")[2]))
        assert again == url
        expect(studio["offline"]).to_be_hidden(timeout=30_000)
        expect(studio["clear"]).to_be_disabled(timeout=30_000)  # the fill that waited is made
        studio.wait()
        pixels = studio.pixels()
        assert np.array_equal(pixels[painted == 0], first[painted == 0])
        assert not np.array_equal(pixels[painted == 1], first[painted == 1])
        studio.press("Control+s")
        expect(studio["toast"]).to_have_text("Saved as a-filled.png")
        assert np.array_equal(read(folder / "a-filled.png"), pixels[..., :3])
        studio.close()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
        process.stdout.close()


def test_tools(studio):
    studio.open("a.png")
    studio.press("r")
    studio.drag((20, 20), (60, 50))
    rectangle = studio.mask()
    assert rectangle[25:45, 25:55].all()
    assert rectangle.sum() == pytest.approx(40 * 30, rel=0.1)
    studio.press("e")
    studio.drag((20, 35), (60, 35))
    assert not studio.mask()[35, 25:55].any()
    assert 0 < studio.mask().sum() < rectangle.sum()
    studio.press("Delete")
    assert not studio.mask().any()
    studio.press("Control+z", "l")
    studio.drag((80, 60), (110, 60), (110, 90), (80, 60))
    painted = studio.mask()
    assert painted[65, 105] == 1
    assert painted[85, 85] == 0
    studio.press("g")
    grown = studio.mask()
    assert (grown >= painted).all()
    from inpaint_tf.masks.geometry import dilated

    assert np.array_equal(grown, dilated(painted, 4))
    size = float(studio["brush-size"].input_value())
    studio.press("b", "]", "]")
    assert float(studio["brush-size"].input_value()) > size
    studio.press("[", "[", "[")
    assert float(studio["brush-size"].input_value()) < size


def test_zoom_and_pan_do_not_paint(studio):
    studio.open("a.png")
    start = studio["photo"].bounding_box()
    studio.page.mouse.move(*studio.at(64, 48))
    studio.page.keyboard.down("Control")
    studio.page.mouse.wheel(0, -300)
    studio.page.keyboard.up("Control")
    zoomed = studio["photo"].bounding_box()
    assert zoomed["width"] > 1.3 * start["width"]
    studio.page.keyboard.down(" ")
    studio.drag((64, 48), (74, 48))
    studio.page.keyboard.up(" ")
    moved = studio["photo"].bounding_box()
    assert moved["x"] > zoomed["x"] + 10
    assert not studio.mask().any()
    studio.press("0")
    assert studio["photo"].bounding_box() == start
    studio.drag((30, 30), (50, 40))
    assert studio.mask()[35, 40] == 1


def test_keys_alone_are_enough(studio):
    studio.open("a.png")
    studio["stage"].focus()
    studio.press("ArrowLeft", "ArrowUp", "d", "ArrowRight", "d")
    painted = studio.mask()
    assert painted.any()
    assert not painted[0].any()
    studio.fill()
    assert not studio.mask().any()


def test_fingers_pinch_without_painting(browser, url):
    studio = Studio(browser, url, has_touch=True)
    studio.open("a.png")
    start = studio["photo"].bounding_box()
    session = studio.context.new_cdp_session(studio.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    one, two = studio.at(40, 48), studio.at(88, 48)
    touch("touchStart", one)
    touch("touchStart", one, two)
    touch("touchMove", (one[0] - 60, one[1]), (two[0] + 60, two[1]))
    touch("touchEnd")
    assert studio["photo"].bounding_box()["width"] > start["width"] + 50
    assert not studio.mask().any()
    studio.press("0")
    touch("touchStart", studio.at(40, 30))
    touch("touchMove", studio.at(60, 44))
    touch("touchEnd")
    assert studio.mask()[37, 50] == 1
    studio.close()


def test_before_and_after(studio):
    studio.open("a.png")
    expect(studio["compare"]).to_be_disabled()
    studio.drag((30, 30), (50, 40))
    studio.fill()
    studio.page.keyboard.down("\\")
    expect(studio["before"]).to_be_visible()
    studio.page.keyboard.up("\\")
    expect(studio["before"]).to_be_hidden()
    studio["compare"].click()
    expect(studio["divider"]).to_have_attribute("aria-valuenow", "50")
    box = studio["divider"].bounding_box()
    studio.page.mouse.move(box["x"] + 20, box["y"] + 200)
    studio.page.mouse.down()
    studio.page.mouse.move(studio.at(32, 48)[0], box["y"] + 200)
    studio.page.mouse.up()
    expect(studio["divider"]).to_have_attribute("aria-valuenow", "25")
    studio.press("ArrowRight")
    expect(studio["divider"]).to_have_attribute("aria-valuenow", "27")
    assert not studio.mask().any()


def test_one_of_the_alternatives_is_picked(studio, monkeypatch):
    studio.page.route(
        "**/studio/state*",
        lambda route: route.fulfill(json=without_networks(route.fetch().json())),
    )
    studio.page.reload()
    studio.open("a.png")
    original = studio.pixels()
    studio.drag((30, 30), (50, 40))
    painted = studio.mask()
    studio.press("v")
    cards = studio.page.locator("#cards button:enabled")
    expect(cards).to_have_count(6)
    seen = []
    for name in ("telea", "ns, blended", "telea, detail"):
        studio.page.get_by_role("button", name=name, exact=True).click()
        assert not studio.mask().any()
        seen.append(studio.pixels())
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
    studio.press("Escape")
    expect(studio["strip"]).to_be_hidden()
    studio.press("Control+z")
    assert np.array_equal(studio.pixels(), original)
    assert np.array_equal(studio.mask(), painted)


def without_networks(state: dict) -> dict:
    known = ("telea", "ns")
    return {**state, "models": [each for each in state["models"] if each["name"] in known]}


def test_a_fill_is_canceled_and_the_mask_stays(browser, folder):
    with served(folder) as (url, app):
        studio = Studio(browser, url)
        studio.open("a.png")
        opened, begun = threading.Event(), threading.Event()
        app.worker.submit("other", lambda job: (begun.set(), opened.wait(30)))
        assert begun.wait(20)
        studio.drag((30, 30), (50, 40))
        painted = studio.mask()
        studio.press("Enter")
        expect(studio["fill"]).to_have_text("Cancel")
        expect(studio["progress"]).to_be_visible()
        studio.press("Escape")
        expect(studio["fill"]).to_have_text("Fill")
        assert np.array_equal(studio.mask(), painted)
        opened.set()
        studio.fill()
        studio.close()


class Slow(Inpainter):
    """Is half-way through until it is told to go on."""

    name = "slow"

    def __init__(self) -> None:
        self.told = threading.Event()

    def _predict(self, images, masks, options):
        options.on_progress(0.42)
        assert self.told.wait(60)
        options.on_progress(0.9)
        return 255 - images, None


def test_progress_is_shown_and_a_fill_under_way_is_canceled(browser, folder):
    with served(folder) as (url, app):
        slow = app.engine._loaded["telea"] = Slow()
        studio = Studio(browser, url)
        studio.open("a.png")
        original = studio.pixels()
        studio.drag((30, 30), (50, 40))
        painted = studio.mask()
        studio.press("Enter")
        expect(studio["fill"]).to_have_text("Cancel · 42 %")
        expect(studio["progress"]).to_have_attribute("aria-valuenow", "42")
        studio.drag((80, 60), (100, 70))  # waits for the next fill
        both = studio.mask()
        studio["fill"].click()
        expect(studio["fill"]).to_have_text("Fill")
        slow.told.set()
        assert np.array_equal(studio.mask(), both)
        assert np.array_equal(studio.pixels(), original)
        studio.press("Control+z")
        assert np.array_equal(studio.mask(), painted)
        studio.fill()
        assert np.array_equal(
            studio.pixels()[painted == 1][:, :3], 255 - original[painted == 1][:, :3]
        )
        studio.close()


def test_what_is_painted_during_a_fill_is_filled_next(browser, folder):
    with served(folder) as (url, app):
        slow = app.engine._loaded["telea"] = Slow()
        studio = Studio(browser, url, auto=True)
        studio.open("a.png")
        original = studio.pixels()
        studio.drag((30, 30), (50, 40))
        expect(studio["fill"]).to_have_text("Cancel · 42 %")
        studio.drag((40, 30), (100, 70))
        both = studio.mask()
        slow.told.set()
        expect(studio["clear"]).to_be_disabled()
        studio.wait()
        changed = (studio.pixels() != original).any(axis=2)
        assert np.array_equal(changed, both == 1)
        studio.close()


def test_masks_are_loaded_and_refused(studio, folder, tmp_path):
    studio.open("a.png")
    levels = np.zeros((96, 128), np.uint8)
    levels[10:30, 40:90] = 200
    Image.fromarray(levels).save(tmp_path / "mask.tif")
    studio["mask-file"].set_input_files(tmp_path / "mask.tif")
    expect(studio["clear"]).to_be_enabled()
    assert np.array_equal(studio.mask(), levels // 200)
    Image.fromarray(levels[:50]).save(tmp_path / "small.png")
    studio["mask-file"].set_input_files(tmp_path / "small.png")
    expect(studio["toast"]).to_contain_text("small.png: is 128x50 pixels")
    studio.press("Control+z")
    assert not studio.mask().any()


def test_a_model_that_refuses_says_why(studio):
    studio.open("a.png")
    studio.press("r")
    studio.drag((-5, -5), (135, 100))
    studio.press("Enter")
    expect(studio["toast"]).to_contain_text("everything is missing")
    assert studio.mask().any()
    studio.press("Control+z")
    studio.drag((20, 20), (60, 50))
    studio.fill()
    studio.press("a")
    expect(studio["toast"]).to_have_text("Model 'telea' has no attention")


def test_a_photograph_that_is_given_is_open_at_once(browser, folder):
    with served(folder / "a.png") as (url, _):
        studio = Studio(browser, url)
        expect(studio["name"]).to_have_text("a.png")
        expect(studio["show-folder"]).to_be_hidden()
        studio.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_nothing_serious_for_screen_readers(browser, url, scheme, width):
    size = {"width": width, "height": 720}
    studio = Studio(browser, url, color_scheme=scheme, viewport=size, reduced_motion="reduce")

    def check(where: str) -> None:
        found = Axe().run(studio.page).response["violations"]
        bad = [(each["id"], each["nodes"][0]["failureSummary"]) for each in found if is_bad(each)]
        assert bad == [], f"{where}: {bad}"
        assert studio.page.evaluate("document.documentElement.scrollWidth") <= width

    expect(studio.page.locator("#photographs button")).to_have_count(2)
    check("folder")
    studio.open("a.png")
    studio.drag((30, 30), (50, 40))
    check("painted")
    studio.fill()
    studio["compare"].click()
    check("filled")
    for opener, end in (("options", "Escape"), ("more", "Escape"), ("save", "Escape")):
        studio[opener].click()
        check(opener)
        studio.press(end)
    studio.press("?")
    check("keys")
    studio.press("Escape")
    studio.close()


def is_bad(violation: dict) -> bool:
    return violation["impact"] in ("serious", "critical")


def test_every_control_is_reached_by_the_tab_key(studio):
    studio.open("a.png")
    studio.drag((30, 30), (50, 40))
    studio.fill()
    studio.drag((80, 60), (100, 70))
    reached = set()
    for _ in range(60):
        studio.press("Tab")
        reached.add(studio.page.evaluate("document.activeElement.id"))
    wanted = {"open", "show-folder", "undo", "compare", "attention", "save", "more", "stage"} | {
        "fit",
        "brush-size",
        "grow",
        "clear",
        "options",
        "alternatives",
        "fill",
    }
    assert wanted - reached == set()


def test_the_page_asks_for_nothing_from_the_net(studio, url):
    asked: list[str] = []
    studio.page.on("request", lambda request: asked.append(request.url))
    studio.page.reload()
    studio.open("a.png")
    studio.drag((30, 30), (50, 40))
    studio.fill()
    assert [each for each in asked if not each.startswith((url, "blob:", "data:"))] == []


def test_the_interface_answers_what_the_page_shows(studio, url, folder):
    studio.open("a.png")
    assert ask(f"{url}/studio/state").json["folder"] == folder.name
    view = studio.page.evaluate("() => performance.getEntriesByType('resource').map(e => e.name)")
    (path,) = [each for each in view if "/view?" in each]
    shown = read(io.BytesIO(ask(path).body))
    assert np.array_equal(shown, read(folder / "a.png"))
