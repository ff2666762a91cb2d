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
from inpaint_tf.models import create
from neuralgym_lite.errors import UserError


class Echo(keras.Model):
    """Predicts what it is shown, times `gain`, and remembers what it was traced with."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.shapes: list[tuple[Any, ...]] = []
        self.built = True

    def call(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
        image, mask = inputs
        self.shapes.append(tuple(image.shape))
        return {"refined": image * self.gain + 0 * mask}


class Looking(Echo):
    """Tells the padded size through its offsets, and shows the mask."""

    def call(self, inputs: tuple[Any, Any], return_attention: bool = False) -> dict[str, Any]:
        _, mask = inputs
        outputs = {"refined": ops.repeat(mask, 3, axis=-1)}
        if return_attention:
            outputs["offsets"] = ops.cast(mask[:, ::8, ::8], "int32") * ops.ones(2, "int32")
        return outputs


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
    _, offsets = inpainter.fill_with_attention(photo(9, 12), mask)
    assert offsets is not None
    assert offsets.shape == (1, 2, 2, 2)
    assert offsets.dtype == np.int32
    # Row 8 of the padded picture is the last row; nothing of the hole lies on the grid.
    assert not offsets.any()
    mask[8, 8] = 1
    _, offsets = inpainter.fill_with_attention(photo(9, 12), mask)
    assert offsets is not None
    assert offsets[0, 1, 1].tolist() == [1, 1]


def test_a_hole_at_the_border_stays_unknown_in_the_padding() -> None:
    seen: list[np.ndarray] = []
    inpainter = NetworkInpainter(Echo(), MaskMode("hole"), "echo")
    network = inpainter._network
    inpainter._network = lambda image, mask: seen.append(mask) or network(image, mask)
    mask = np.zeros((10, 10))
    mask[:, 6:] = 1
    inpainter.fill(photo(10, 10), mask)
    (padded,) = seen
    assert padded.shape == (1, 16, 16, 1)
    expected = [0] * 6 + [1] * 4 + [1] * 3 + [0] * 3
    assert padded[0, 0, :, 0].tolist() == expected


def test_one_graph_serves_all_sizes() -> None:
    model = Echo()
    inpainter = NetworkInpainter(model, MaskMode("hole"), "echo")
    for size in (8, 16, 21, 40):
        inpainter.fill(photo(2, size, size + 3), np.ones((size, size + 3)))
    assert model.shapes == [(None, None, None, 3)]


def test_a_model_without_attention_says_so() -> None:
    plain = NetworkInpainter(Echo(), MaskMode("hole"), "echo")
    assert not plain.has_attention
    assert plain.fill_with_attention(photo(8, 8), np.ones((8, 8)))[1] is None
    assert NetworkInpainter(Looking(), MaskMode("hole"), "looking").has_attention


def test_a_diverged_model_is_named() -> None:
    inpainter = NetworkInpainter(Echo(float("nan")), MaskMode("mosaic"), "my-run")
    with pytest.raises(UserError, match="'my-run' is broken: it predicts NaN"):
        inpainter.fill(photo(8, 8), np.ones((8, 8)))


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
    filled, offsets = contextual_attention.fill_with_attention(image, mask)
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
