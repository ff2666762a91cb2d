"""The graph around a network, against the inpainter in Python."""

from __future__ import annotations

import io
import re

import mask_table
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from inpaint_tf.exporters import served_graph
from inpaint_tf.exporters.card import Facts
from inpaint_tf.exporters.exporter import export_model
from inpaint_tf.exporters.served_graph import ServedGraph
from inpaint_tf.exporters.served_inpainter import ServedInpainter
from inpaint_tf.inference.network import NetworkInpainter
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import create
from inpaint_tf.models.registry import MODELS
from neuralgym_lite.errors import UserError

MAX_PIXELS = 100_000
SIZES = {"context-encoder": {"image_size": 64}}


def make(name="ca", mode="hole", **options):
    model = create(name, width=4, mask_mode=mode, **SIZES.get(name, {}), **options)
    rng = np.random.default_rng(3)
    # Fresh biases are zero, and hide what is shifted or left out.
    model.set_weights(
        [w + rng.normal(0, 0.02, w.shape).astype(w.dtype) for w in model.get_weights()]
    )
    return model


def serve(model, **options):
    return ServedInpainter(ServedGraph(model, **options), MAX_PIXELS)


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture(scope="module")
def served(model):
    return serve(model)


def photographs(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def middle(*shape):
    mask = np.zeros((*shape, 1), np.uint8)
    height, width = shape[1:]
    mask[:, height // 4 : height * 3 // 4, width // 3 : width * 2 // 3] = 1
    return mask


def run(served, image, mask, name="serving_default"):
    return {k: v.numpy() for k, v in served.functions[name](image, mask).items()}


def assert_pixels(found, expected):
    gap = np.abs(found.astype(int) - expected)
    assert gap.max() <= 1 and (gap > 0).mean() <= 1e-3, (gap.max(), (gap > 0).mean())


# Parity.


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((name, "hole") for name in MODELS),
        # The mode is about what the network sees, whatever network that is.
        *(
            pytest.param(name, "mosaic", marks=() if name in ("ca", "glcic") else pytest.mark.full)
            for name in MODELS
        ),
    ],
)
def test_every_model_fills_as_its_inpainter(name, mode):
    model = make(name, MaskMode(mode, color=(10, 200, 90)))
    served = serve(model)
    inpainter = NetworkInpainter(model, model.mask_mode, name)
    assert set(served.functions) == {"serving_default", "bytes"} | (
        {"attention"} if model.has_attention else set()
    )
    for shape in ((1, 64, 64), (2, 51, 83), (1, 8, 8)):
        image, mask = photographs(*shape), middle(*shape)
        output = run(served, image, mask)["output"]
        assert_pixels(output, inpainter.fill(image, mask))
        np.testing.assert_array_equal(output[mask[..., 0] == 0], image[mask[..., 0] == 0])


@pytest.mark.parametrize("compat", ["torch", "tf1"])
def test_dialects_are_kept(compat):
    model = make(compat=compat)
    inpainter = NetworkInpainter(model, model.mask_mode, compat)
    image, mask = photographs(1, 45, 64), middle(1, 45, 64)
    output = run(serve(model), image, mask)["output"]
    assert_pixels(output, inpainter.fill(image, mask))


def test_offsets_are_those_of_the_inpainter(model, served):
    inpainter = NetworkInpainter(model, model.mask_mode, "ca")
    image, mask = photographs(2, 48, 72), middle(2, 48, 72)
    found = run(served, image, mask, "attention")
    expected = inpainter.fill(image, mask, return_attention=True)
    assert_pixels(found["output"], expected[0])
    assert found["offsets"].dtype == np.int32
    assert (found["offsets"] == expected[1]).mean() > 0.99


def test_streamed_attention_gives_the_same_pixels(model, served, monkeypatch):
    image, mask = photographs(2, 96, 120), middle(2, 96, 120)
    monkeypatch.setattr(served_graph, "LARGE", 64)
    streamed = serve(model)
    assert_pixels(run(streamed, image, mask)["output"], run(served, image, mask)["output"])


def test_files_are_filled_as_arrays_are(served):
    image, mask = photographs(1, 40, 56), middle(1, 40, 56)
    grey = Image.fromarray(image[0]).convert("L")
    see_through = Image.fromarray(image[0]).convert("RGBA")
    alpha = np.random.default_rng(1).integers(0, 256, (40, 56), np.uint8)
    veiled, grey_veiled = see_through.copy(), grey.convert("LA")
    for each in (veiled, grey_veiled):
        each.putalpha(Image.fromarray(alpha))
    palette = Image.fromarray(image[0]).quantize(16)
    pictures = {
        "PNG": Image.fromarray(image[0]),
        "JPEG": Image.fromarray(image[0]),
        "grey PNG": grey,
        "grey JPEG": grey,
        "opaque PNG": see_through,
        "transparent PNG": veiled,
        "grey, transparent PNG": grey_veiled,
        "palette PNG": palette,
        "1 bit PNG": grey.convert("1"),
    }
    files = [as_bytes(picture, name.split()[-1]) for name, picture in pictures.items()]
    masks = [as_bytes(Image.fromarray(mask[0, ..., 0] * 255), "PNG")] * len(files)
    found = served.functions["bytes"](files, masks)["output_bytes"].numpy()
    for name, file, answer in zip(pictures, files, found, strict=True):
        # What `inpaint-tf fill` writes: grey stays grey, alpha stays, and what is filled is opaque.
        given = Image.open(io.BytesIO(file))
        shown = np.asarray(given.convert("RGB"))
        expected = Image.fromarray(run(served, shown[None], mask)["output"][0])
        expected = expected.convert("L") if given.mode in ("1", "L", "LA") else expected
        if given.mode.endswith("A"):
            left = np.asarray(given)[..., -1]
            expected.putalpha(Image.fromarray(np.where(mask[0, ..., 0] == 1, np.uint8(255), left)))
        answered = Image.open(io.BytesIO(answer))
        assert (name, answered.mode) == (name, expected.mode)
        np.testing.assert_array_equal(np.asarray(answered), np.asarray(expected), name)


def test_a_palette_may_be_transparent(served):
    image, mask = photographs(1, 16, 24), np.zeros((16, 24), np.uint8)
    palette = Image.fromarray(image[0]).quantize(4)
    file = io.BytesIO()
    palette.save(file, "PNG", transparency=bytes([0, 90, 180, 255]))
    answer = served.functions["bytes"]([file.getvalue()], [as_bytes(Image.fromarray(mask), "PNG")])[
        "output_bytes"
    ].numpy()[0]
    expected = Image.open(file).convert("RGBA")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer))), np.asarray(expected))


def test_masks_are_read_as_fill_reads_them(served):
    """One table says what a mask's file marks, for `fill` and for a server."""
    image = photographs(1, mask_table.HEIGHT, mask_table.WIDTH)
    photograph = as_bytes(Image.fromarray(image[0]), "PNG")
    files = [mask.make() for mask in mask_table.MASKS]
    answers = served.functions["bytes"]([photograph] * len(files), files)["output_bytes"].numpy()
    outputs = {}
    for mask, answer in zip(mask_table.MASKS, answers, strict=True):
        holes = mask.expected.tobytes()
        if holes not in outputs:
            outputs[holes] = run(served, image, mask.expected[None, ..., None])["output"][0]
        found = np.asarray(Image.open(io.BytesIO(answer)))
        np.testing.assert_array_equal(found, outputs[holes], mask.name)


def test_files_of_one_request_have_their_own_sizes(served):
    shapes = ((1, 40, 56), (1, 24, 8), (1, 64, 64))
    pairs = [(photographs(*shape), middle(*shape)) for shape in shapes]
    images = [as_bytes(Image.fromarray(image[0]), "PNG") for image, _ in pairs]
    masks = [as_bytes(Image.fromarray(mask[0, ..., 0]), "PNG") for _, mask in pairs]
    answers = served.functions["bytes"](images, masks)["output_bytes"].numpy()
    for (image, mask), answer in zip(pairs, answers, strict=True):
        expected = run(served, image, mask)["output"][0]
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer))), expected)


# Independence of batch.


def test_a_photograph_does_not_depend_on_its_neighbours(served):
    image, mask = photographs(3, 40, 48), middle(3, 40, 48)
    mask[0] = 0
    mask[1] *= 255  # grey levels beside a mask of 0 and 1
    together = run(served, image, mask)["output"]
    for i in range(3):
        alone = run(served, image[i : i + 1], mask[i : i + 1])["output"][0]
        assert_pixels(together[i], alone)
    np.testing.assert_array_equal(together[0], image[0])


def test_grey_levels_of_a_mask_are_cut_at_127(served):
    image = photographs(1, 32, 32)
    levels = np.random.default_rng(5).integers(0, 256, (1, 32, 32, 1), np.uint8)
    expected = run(served, image, (levels > 127).astype(np.uint8))["output"]
    np.testing.assert_array_equal(run(served, image, levels)["output"], expected)


def test_a_full_mask_is_filled(served):
    image = photographs(1, 32, 40)
    output = run(served, image, np.ones((1, 32, 40, 1), np.uint8))["output"]
    assert output.shape == image.shape and np.any(output != image)


# Refusal.


def refusal(call, *inputs):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        call(*inputs)
    return caught.value.message


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        ((1, 32, 32), (1, 32, 40), "mask must be.*as large as image"),
        ((2, 32, 32), (1, 32, 32), "mask must be"),
        ((1, 7, 32), (1, 7, 32), "at least 8 pixels a side.*1 7 32"),
        ((1, 320, 400), (1, 320, 400), "at most 100000 pixels.*320.*400"),
    ],
)
def test_sizes_that_are_wrong_are_named(served, image, mask, words):
    message = refusal(
        served.functions["serving_default"], photographs(*image), np.zeros((*mask, 1), np.uint8)
    )
    assert_matches(words, message)


BROKEN = {
    "nothing": (b"", "neither a JPEG nor a PNG"),
    "text": (b"GIF89a is not what it takes here, nor is any text", "neither a JPEG nor a PNG"),
    "start of a PNG": (b"\x89PNG\r\n\x1a\n\0\0", "neither a JPEG nor a PNG"),
    "start of a JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF", ""),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("which", ["image", "mask"])
def test_files_that_are_none_are_refused(served, name, which):
    content, words = BROKEN[name]
    good = as_bytes(Image.fromarray(photographs(1, 16, 16)[0]), "PNG")
    files = {"image": good, "mask": good, which: content}
    message = refusal(served.functions["bytes"], [files["image"]], [files["mask"]])
    assert_matches(f"{which} is {words}" if words else "JPEG|jpeg|Invalid", message)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_that_ends_too_early_is_refused(served, kind):
    whole = as_bytes(Image.fromarray(photographs(1, 64, 64)[0]), kind)
    mask = as_bytes(Image.fromarray(middle(1, 64, 64)[0, ..., 0]), "PNG")
    assert refusal(served.functions["bytes"], [whole[: len(whole) // 2]], [mask])


@pytest.mark.parametrize("which", ["image", "mask"])
def test_cmyk_is_refused(served, which):
    good = as_bytes(Image.fromarray(photographs(1, 16, 16)[0]), "PNG")
    files = {"image": good, "mask": good, which: as_bytes(Image.new("CMYK", (16, 16)), "JPEG")}
    message = refusal(served.functions["bytes"], [files["image"]], [files["mask"]])
    assert f"{which} is a JPEG in CMYK; send it in RGB" in message


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_bomb_is_refused_by_its_header(served, kind):
    bomb = as_bytes(Image.new("RGB", (9000, 7000)), kind)
    message = refusal(served.functions["bytes"], [bomb], [bomb])
    assert_matches("at most 100000 pixels.*7000.*9000", message)


def test_a_mask_for_each_image(served):
    good = as_bytes(Image.fromarray(photographs(1, 16, 16)[0]), "PNG")
    assert_matches(
        "a mask for each image.*2.*1", refusal(served.functions["bytes"], [good, good], [good])
    )


@pytest.mark.parametrize("mode", ["hole_ns", "hole_telea"])
@pytest.mark.parametrize("file_format", ["saved_model", "onnx"])
def test_what_opencv_fills_cannot_be_served(tmp_path, mode, file_format):
    model = make(mode=mode)
    inpainter = NetworkInpainter(model, model.mask_mode, "small")
    with pytest.raises(UserError, match=f"trained on '{mode}'.*no OpenCV.*'hole' or 'mosaic'"):
        export_model(inpainter, tmp_path / "out", Facts({}, None, None, "", ()), file_format)
    assert not (tmp_path / "out").exists()


def as_bytes(picture, kind):
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def assert_matches(words, message):
    assert re.search(words, message, re.DOTALL), message
