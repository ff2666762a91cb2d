"""Networks as inpainters: padding, rounding, one graph for all sizes, attention."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from inpaint_tf.inference import NetworkInpainter
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import InpaintingModel, create
from inpaint_tf.models.filling import FillGraph
from inpaint_tf.models.registry import MODELS
from neuralgym_lite.errors import UserError


class Echo(InpaintingModel):
    """Predicts its input, times `gain`, and keeps the inputs that it was called with."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.shapes: list[tuple[Any, ...]] = []
        self.inputs: list[tuple[Any, Any]] = []
        self.built = True

    def call(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
        image, mask = inputs
        self.shapes.append(tuple(image.shape))
        self.inputs.append(inputs)
        return {"refined": image * self.gain + 0 * mask}


class Looking(Echo):
    """Tells the padded size through its offsets, and shows the mask."""

    has_attention = True

    def call(self, inputs: tuple[Any, Any], return_attention: bool = False) -> dict[str, Any]:
        _, mask = inputs
        outputs = {"refined": ops.repeat(mask, 3, axis=-1)}
        if return_attention:
            outputs["offsets"] = ops.cast(mask[:, ::8, ::8], "int32") * ops.ones(2, "int32")
        return outputs


class Square(Echo):
    """Takes 16x16 pixels only, and predicts its input, but white in the hole."""

    fixed_size = 16

    def call(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
        image, mask = inputs
        self.shapes.append(tuple(image.shape))
        self.inputs.append(inputs)
        return {"refined": (image * (1 - mask) + mask) * self.gain}


def photo(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(8, 40), width=st.integers(8, 40))
def test_any_size_comes_back_whole(height: int, width: int) -> None:
    # A mosaic of 1 pixel is the photograph itself, so the echo must give every level back.
    inpainter = NetworkInpainter(Echo(), MaskMode("mosaic", unit=1), "echo")
    image = photo(height, width)
    mask = np.ones((height, width))
    np.testing.assert_array_equal(inpainter.fill(image, mask), image)


def test_predictions_are_rounded_and_clipped() -> None:
    image = np.full((8, 8, 3), 100, np.uint8)
    for gain, expected in ((1.006, 100), (1.02, 99), (9.0, 0), (-9.0, 255)):
        inpainter = NetworkInpainter(Echo(gain), MaskMode("mosaic", unit=1), "echo")
        assert (inpainter.fill(image, np.ones((8, 8))) == expected).all()


def test_padding_mirrors_image_and_hole() -> None:
    inpainter = NetworkInpainter(Looking(), MaskMode("hole"), "looking")
    mask = np.zeros((9, 12))
    mask[7, 3] = 1
    _, offsets = inpainter.fill(photo(9, 12), mask, return_attention=True)
    assert offsets is not None
    assert offsets.shape == (1, 2, 2, 2)
    assert offsets.dtype == np.int32
    # Row 8 of the padded picture is the last row; nothing of the hole lies on the grid.
    assert not offsets.any()
    mask[8, 8] = 1
    _, offsets = inpainter.fill(photo(9, 12), mask, return_attention=True)
    assert offsets is not None
    assert offsets[0, 1, 1].tolist() == [1, 1]


def test_a_hole_at_the_border_stays_unknown_in_the_padding() -> None:
    model = Echo()
    mask = np.zeros((1, 10, 10, 1), np.uint8)
    mask[:, :, 6:] = 1
    FillGraph(model)(photo(1, 10, 10), mask)
    ((_, padded),) = model.inputs
    assert padded.shape == (1, 16, 16, 1)
    expected = [0] * 6 + [1] * 4 + [1] * 3 + [0] * 3
    assert np.asarray(padded)[0, 0, :, 0].tolist() == expected


@pytest.mark.parametrize("multiple", [4, 16])
def test_pictures_are_padded_to_the_multiple_of_the_model(multiple: int) -> None:
    model = Echo()
    model.multiple = multiple
    graph = FillGraph(model, MaskMode("mosaic", unit=1))
    image = photo(1, 10, 17)
    filled = graph(image, np.ones((1, 10, 17, 1), np.uint8))["output"]
    np.testing.assert_array_equal(np.asarray(filled), image)
    assert model.shapes == [(1, -(-10 // multiple) * multiple, -(-17 // multiple) * multiple, 3)]


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (40, 70), (333, 17)])
def test_a_model_of_one_size_fills_any(size: tuple[int, int]) -> None:
    model = Square()
    inpainter = NetworkInpainter(model, MaskMode("hole"), "square")
    image, mask = photo(*size), np.zeros(size, np.uint8)
    mask[2:6, 3:8] = 1
    filled = inpainter.fill(image, mask)
    assert model.shapes == [(None, 16, 16, 3)]
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])
    np.testing.assert_array_equal(inpainter.fill(image, mask), filled)
    # Some of what lies beside the square's hole leaks in where it is resized back.
    assert filled[mask == 1].mean() > 220


def test_at_its_own_size_a_model_of_one_size_is_like_any_other() -> None:
    inpainter = NetworkInpainter(Square(), MaskMode("hole"), "square")
    image, mask = photo(16, 16), np.zeros((16, 16), np.uint8)
    mask[4:9, 5:11] = 1
    assert (inpainter.fill(image, mask)[mask == 1] == 255).all()


@pytest.mark.parametrize("size", [(12, 12), (40, 70), (100, 33)])
def test_a_model_of_one_size_sees_nothing_of_a_hole(size: tuple[int, int]) -> None:
    model = Square()
    image, mask = photo(1, *size), np.zeros((1, *size, 1), np.uint8)
    mask[:, 3:9, 4:7] = mask[:, -1, -1] = 1
    FillGraph(model)(image, mask)
    FillGraph(model)(np.where(mask == 1, 255 - image, image), mask)
    (shown, hole), (again, _) = (tuple(map(np.asarray, pair)) for pair in model.inputs)
    np.testing.assert_array_equal(shown, again)
    # All of it is missing, and little else.
    assert hole[0, -1, -1, 0] == 1
    assert hole[0, ..., 0].sum() < 16 * 16 / 2
    assert (shown[0][hole[0, ..., 0] == 0] != 0).mean() > 0.9


def test_a_model_of_one_size_does_not_look_at_the_rest_of_the_batch() -> None:
    inpainter = NetworkInpainter(Square(), MaskMode("mosaic", unit=4), "square")
    images = photo(3, 24, 31)
    masks = (np.random.default_rng(1).random((3, 24, 31, 1)) < 0.1).astype(np.uint8)
    together = inpainter.fill(images, masks)
    for index in range(3):
        alone = inpainter.fill(images[index], masks[index])
        np.testing.assert_array_equal(alone, together[index])


def test_one_graph_serves_all_sizes() -> None:
    model = Echo()
    inpainter = NetworkInpainter(model, MaskMode("hole"), "echo")
    for size in (8, 16, 21, 40):
        inpainter.fill(photo(2, size, size + 3), np.ones((size, size + 3)))
    assert model.shapes == [(None, None, None, 3)]


def test_a_model_without_attention_says_so() -> None:
    plain = NetworkInpainter(Echo(), MaskMode("hole"), "echo")
    assert not plain.has_attention
    assert plain.fill(photo(8, 8), np.ones((8, 8)), return_attention=True)[1] is None
    assert NetworkInpainter(Looking(), MaskMode("hole"), "looking").has_attention


def test_a_diverged_model_is_named() -> None:
    for model in (Echo(float("nan")), Square(float("nan"))):
        inpainter = NetworkInpainter(model, MaskMode("mosaic"), "my-run")
        with pytest.raises(UserError, match="'my-run' is broken: it predicts NaN"):
            inpainter.fill(photo(8, 8), np.ones((8, 8)))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_fills_a_photograph_of_odd_size(name: str) -> None:
    keras.utils.set_random_seed(1)
    options = {"image_size": 64} if name == "context-encoder" else {}
    model = create(name, width=4, **options)
    inpainter = NetworkInpainter(model, model.mask_mode, name)
    image, mask = photo(333, 517), np.zeros((333, 517), np.uint8)
    mask[100:180, 300:] = 1
    filled = inpainter.fill(image, mask)
    assert filled.shape == image.shape
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])
    np.testing.assert_array_equal(inpainter.fill(image, mask), filled)
    assert (filled[mask == 1] != image[mask == 1]).any()


@pytest.fixture(scope="module")
def contextual_attention() -> NetworkInpainter:
    keras.utils.set_random_seed(1)
    return NetworkInpainter(create("ca", width=4), MaskMode("mosaic"), "ca")


@pytest.mark.parametrize("size", [(8, 8), (15, 9), (41, 50)])
def test_the_real_network_fills_any_size(
    contextual_attention: NetworkInpainter, size: tuple[int, int]
) -> None:
    image, mask = photo(*size), np.zeros(size, np.uint8)
    mask[2:6, 3:8] = 1
    filled, offsets = contextual_attention.fill(image, mask, return_attention=True)
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])
    assert (filled[mask == 1] != image[mask == 1]).any()
    assert offsets is not None
    assert offsets.shape == (1, -(-size[0] // 8), -(-size[1] // 8), 2)


def test_the_real_network_does_not_look_at_the_rest_of_the_batch(
    contextual_attention: NetworkInpainter,
) -> None:
    images = photo(3, 24, 32)
    masks = (np.random.default_rng(1).random((3, 24, 32, 1)) < 0.2).astype(np.uint8)
    together = contextual_attention.fill(images, masks).astype(int)
    for index in range(3):
        alone = contextual_attention.fill(images[index], masks[index]).astype(int)
        # Sums run in another order for another batch, which may tip a rounding.
        np.testing.assert_allclose(alone, together[index], atol=1)
