"""What `fill` takes and gives back: paths, PIL images, arrays, tensors, and lists of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import inpaint_tf
from inpaint_tf.inference import ClassicalInpainter, Inpainter, NetworkInpainter
from inpaint_tf.models import create
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import ImageError, Picture

TELEA = ClassicalInpainter("telea")


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((16, 24), np.uint8)
    mask[4:9, 6:14] = 1
    return mask


@pytest.fixture
def files(tmp_path: Path, pixels: np.ndarray, mask: np.ndarray) -> tuple[Path, Path]:
    image, hole = tmp_path / "image.png", tmp_path / "mask.png"
    Image.fromarray(pixels).save(image)
    Image.fromarray(255 * mask).save(hole)
    return image, hole


def test_every_kind_is_filled_alike(
    pixels: np.ndarray, mask: np.ndarray, files: tuple[Path, Path]
) -> None:
    expected = TELEA.fill(pixels, mask)
    images: dict[type, Any] = {
        Image.Image: Image.fromarray(pixels),
        np.ndarray: pixels,
        tf.Tensor: tf.constant(pixels),
        Picture: Picture(pixels),
    }
    masks = [mask, tf.constant(mask), mask == 1, Image.fromarray(255 * mask), *files[1:]]
    for kind, image in images.items():
        for hole in [*masks, str(files[1]), Image.fromarray(mask == 1), Picture(rgb(255 * mask))]:
            filled = TELEA.fill(image, hole)
            assert isinstance(filled, kind), (kind, type(hole))
            np.testing.assert_array_equal(array(filled), expected)
    for path in (files[0], str(files[0])):
        filled = TELEA.fill(path, files[1])
        assert isinstance(filled, Image.Image)
        np.testing.assert_array_equal(array(filled), expected)


def rgb(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[..., None], 3, axis=-1)


def array(image: Any) -> np.ndarray:
    return image.rgb if isinstance(image, Picture) else np.asarray(image)


def test_an_inpainter_can_be_called(pixels: np.ndarray, mask: np.ndarray) -> None:
    options = {"blend": True, "grow": 1}
    filled, offsets = TELEA(pixels, mask, return_attention=True, **options)
    np.testing.assert_array_equal(filled, TELEA.fill(pixels, mask, **options))
    assert offsets is None


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", "L"), ("LA", "LA"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("P", "RGB"), ("1", "L")],
)
def test_a_pil_image_keeps_its_mode(
    pixels: np.ndarray, mask: np.ndarray, mode: str, expected: str
) -> None:
    given = Image.fromarray(pixels).convert(mode)
    given.info |= {"dpi": (72, 72), "icc_profile": bytes(16) + b"RGB " + bytes(108)}
    filled = TELEA.fill(given, mask)
    assert (filled.mode, filled.size) == (expected, given.size)
    assert {**filled.info} == {**given.info}
    known = mask == 0
    np.testing.assert_array_equal(
        np.asarray(filled)[known], np.asarray(given.convert(expected))[known]
    )


def test_what_is_filled_is_opaque_and_hidden_colors_stay_out(
    pixels: np.ndarray, mask: np.ndarray
) -> None:
    pixels[:] = 200
    pixels[:, 14:] = 0
    alpha = np.full((16, 24), 255, np.uint8)
    alpha[:, 14:] = alpha[mask == 1] = 0
    given = Image.fromarray(np.dstack([pixels, alpha]))
    filled = np.asarray(TELEA.fill(given, mask))
    assert (filled[mask == 1][:, 3] == 255).all()
    assert (filled[mask == 1][:, :3] > 195).all()
    np.testing.assert_array_equal(filled[mask == 0], np.asarray(given)[mask == 0])


def test_an_empty_mask_copies_every_kind(pixels: np.ndarray, files: tuple[Path, Path]) -> None:
    empty = np.zeros((16, 24), np.uint8)
    for image in (files[0], Image.fromarray(pixels), tf.constant(pixels), pixels):
        filled = TELEA.fill(image, empty)
        assert filled is not image
        np.testing.assert_array_equal(np.asarray(filled), pixels)


def test_a_file_is_upright(tmp_path: Path, pixels: np.ndarray, mask: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(pixels).rotate(90, expand=True).save(tmp_path / "a.png", exif=exif)
    filled = TELEA.fill(tmp_path / "a.png", mask)
    np.testing.assert_array_equal(np.asarray(filled), TELEA.fill(pixels, mask))
    with Image.open(tmp_path / "a.png") as raw, pytest.raises(UserError, match="16x24.*exif_t"):
        TELEA.fill(raw, mask)


def test_masks_are_inverted_whatever_they_are(
    pixels: np.ndarray, mask: np.ndarray, files: tuple[Path, Path]
) -> None:
    expected = TELEA.fill(pixels, mask, grow=1)
    inverted = [1 - mask, tf.constant(1 - mask), Image.fromarray(255 * (1 - mask))]
    for each in inverted:
        filled = TELEA.fill(pixels, each, invert_mask=True, grow=1)
        np.testing.assert_array_equal(filled, expected)
    transparent = Image.fromarray(np.dstack([255 * mask] * 4))
    np.testing.assert_array_equal(
        TELEA.fill(pixels, transparent, invert_mask=True), TELEA.fill(pixels, np.zeros_like(mask))
    )


def test_a_batch_of_tensors(pixels: np.ndarray, mask: np.ndarray) -> None:
    batch = tf.constant(np.stack([pixels, pixels[::-1]]))
    filled = TELEA.fill(batch, tf.constant(mask))
    assert isinstance(filled, tf.Tensor) and filled.shape == (2, 16, 24, 3)
    np.testing.assert_array_equal(filled[1], TELEA.fill(pixels[::-1], mask))


def test_a_list_of_different_sizes_and_kinds(
    pixels: np.ndarray, mask: np.ndarray, files: tuple[Path, Path]
) -> None:
    images = [pixels, Image.fromarray(pixels[:12]), files[0]]
    masks = [mask, mask[:12], files[1]]
    shares: list[float] = []
    filled, offsets = TELEA.fill(images, masks, return_attention=True, on_progress=shares.append)
    assert [type(each) for each in filled] == [np.ndarray, Image.Image, Image.Image]
    assert offsets == [None] * 3
    for image, hole, result in zip(images, masks, filled, strict=True):
        np.testing.assert_array_equal(np.asarray(result), np.asarray(TELEA.fill(image, hole)))
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
    same = TELEA.fill((pixels, pixels), mask)
    assert isinstance(same, list) and len(same) == 2
    assert TELEA.fill([], mask) == []


class Pieces(Inpainter):
    """Tells how far it is."""

    name = "pieces"

    def _predict(self, images, masks, options):
        options.on_progress(0.5)
        return 255 - images, None


def test_progress_is_that_of_the_whole_list(pixels: np.ndarray, mask: np.ndarray) -> None:
    shares: list[float] = []
    Pieces().fill([pixels, pixels], mask, on_progress=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1]
    Pieces().fill([pixels], mask)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": 3}, "`image` must be a path, a PIL image, a NumPy array or .* Received: int"),
        ({"mask": None}, "`mask` must be a path, .* Received: NoneType"),
        ({"image": "none.png"}, "none.png: cannot be read: No such file"),
        ({"mask": "none.png"}, "none.png: cannot be read: No such file"),
        ({"image": tf.zeros((16, 24, 3))}, "must be uint8 with values 0..255. Received: float32"),
        ({"image": Image.new("F", (24, 16))}, "its samples are floating-point numbers"),
        ({"image": Image.new("L", (7, 16))}, "at least 8 pixels a side. Received: 7x16"),
        ({"mask": Image.new("L", (20, 16))}, r"size of its image, 24x16 .* Received: \(16, 20\)"),
        ({"mask": Image.new("L", (24, 16), 99)}, "values up to 99, none of which counts"),
        ({"mask": [np.ones((16, 24))]}, "A list of masks is for a list of images"),
    ],
)
def test_what_is_refused(
    pixels: np.ndarray, mask: np.ndarray, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words) as refused:
        TELEA.fill(**{"image": pixels, "mask": mask, **change})
    assert "\n" not in str(refused.value)


def test_a_list_names_what_it_refuses(pixels: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(UserError, match="^Image 2 of 2: The mask must have the size"):
        TELEA.fill([pixels, pixels[1:]], mask)
    with pytest.raises(UserError, match="Each image needs one mask. Received: 2 and 1"):
        TELEA.fill([pixels, pixels], [mask])


def test_a_graph_of_tensorflow_is_told(pixels: np.ndarray, mask: np.ndarray) -> None:
    @tf.function
    def graph(image: tf.Tensor) -> tf.Tensor:
        return TELEA.fill(image, mask)

    # AutoGraph wraps what is raised in a graph into an error of its own.
    with pytest.raises(Exception, match="symbolic tensor: call `fill` outside of a tf.function"):
        graph(tf.constant(pixels))


def test_a_damaged_pil_image_is_one_line(tmp_path: Path, files: tuple[Path, Path]) -> None:
    half = tmp_path / "half.png"
    half.write_bytes(files[0].read_bytes()[:600])
    with Image.open(half) as image, pytest.raises(ImageError, match="cannot be decoded"):
        TELEA.fill(image, files[1])


# What an inpainter says of itself.


def test_detail_is_an_argument(pixels: np.ndarray, mask: np.ndarray) -> None:
    detailed = ClassicalInpainter("telea", detail=True)
    assert (detailed.detail, TELEA.detail) == (True, False)
    np.testing.assert_array_equal(
        detailed.fill(pixels, mask, detail=False), TELEA.fill(pixels, mask)
    )
    with pytest.raises(AttributeError):
        detailed.detail = False


def test_presets() -> None:
    assert Inpainter.presets == inpaint_tf.presets()
    assert {"ca-photos", "ca-mosaic", "ns", "telea"} <= Inpainter.presets.keys()
    assert all(text.endswith(".") for text in Inpainter.presets.values())
    assert repr(Inpainter.from_preset("ns", detail=True)) == (
        "ClassicalInpainter(name='ns', model='OpenCV ns', radius=3, detail=True)"
    )
    with pytest.raises(UserError, match="no preset 'tela'. Did you mean 'telea'?"):
        Inpainter.from_preset("tela")
    with pytest.raises(UserError, match="no preset 'runs/a'. .*`inpaint_tf.load` opens run"):
        Inpainter.from_preset("runs/a")


def test_what_a_network_is() -> None:
    model = create("autoencoder", width=2, mask_mode="mosaic")
    inpainter = NetworkInpainter(model, model.mask_mode, "small")
    assert repr(inpainter) == (
        f"NetworkInpainter(name='small', model='Autoencoder', parameters={model.count_params()}, "
        "mask='mosaic', detail=False)"
    )


def test_types_are_looked_up_without_tensorflow() -> None:
    """Where nothing else needs TensorFlow, asking for a type does not import it."""
    program = (
        "import sys, numpy as np\n"
        "from inpaint_tf.inference import conversion\n"
        "had = 'tensorflow' in sys.modules\n"
        "sys.modules.pop('tensorflow', None)\n"
        "a = np.zeros((8, 8, 3), np.uint8)\n"
        "assert conversion.array_like(conversion.as_array(a, 'image'), a) is a\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
