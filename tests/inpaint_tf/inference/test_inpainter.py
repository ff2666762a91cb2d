"""Every inpainter: known pixels byte-equal, independence of the batch, refusals."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint_tf.inference import ClassicalInpainter, Inpainter
from inpaint_tf.inference.detail import add_detail
from inpaint_tf.masks import opencv_inpaint
from neuralgym_lite.errors import UserError


class Inverting(Inpainter):
    """Predicts the negative of everything, known pixels included."""

    name = "inverting"

    def _predict(self, images: np.ndarray, masks: np.ndarray, *_: Any) -> tuple[np.ndarray, None]:
        assert images.dtype == masks.dtype == np.uint8
        assert masks.shape == (*images.shape[:3], 1)
        assert set(np.unique(masks)) <= {0, 1}
        return 255 - images, None


def photo(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


def hole(height: int, width: int, dtype: Any = np.uint8) -> np.ndarray:
    mask = np.zeros((height, width), dtype)
    mask[2:5, 1:7] = 1
    return mask


@pytest.mark.parametrize("inpainter", [Inverting(), *map(ClassicalInpainter, ("ns", "telea"))])
@settings(max_examples=15, deadline=None)
@given(height=st.integers(8, 30), width=st.integers(8, 30), seed=st.integers(0, 99))
def test_known_pixels_are_byte_equal(
    inpainter: Inpainter, height: int, width: int, seed: int
) -> None:
    image = photo(height, width)
    mask = np.random.default_rng(seed).random((height, width)) < 0.3
    original = image.copy()
    filled = inpainter.fill(image, mask)
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    np.testing.assert_array_equal(image, original)


def test_the_hole_is_what_was_predicted() -> None:
    image, mask = photo(9, 10), hole(9, 10)
    filled = Inverting().fill(image, mask)
    np.testing.assert_array_equal(filled[mask == 1], 255 - image[mask == 1])


def test_a_prediction_is_of_the_whole_picture() -> None:
    image, mask = photo(9, 10), hole(9, 10)
    np.testing.assert_array_equal(Inverting().predict(image, mask), 255 - image)
    with pytest.raises(UserError, match="The mask must have the size of its image"):
        Inverting().predict(image, mask[1:])


@pytest.mark.parametrize("name", ["ns", "telea"])
def test_classical_methods_carry_a_plain_colour_into_the_hole(name: str) -> None:
    image = np.full((20, 20, 3), (200, 100, 50), np.uint8)
    mask = hole(20, 20)
    image[mask == 1] = 0
    filled = ClassicalInpainter(name).fill(image, mask)
    # TELEA lands two levels off.
    np.testing.assert_allclose(filled[mask == 1].astype(int), [[200, 100, 50]] * mask.sum(), atol=3)


@pytest.mark.parametrize("inpainter", [Inverting(), *map(ClassicalInpainter, ("ns", "telea"))])
@settings(max_examples=15, deadline=None)
@given(height=st.integers(8, 30), width=st.integers(8, 30), seed=st.integers(0, 99))
def test_blending_keeps_known_pixels_too(
    inpainter: Inpainter, height: int, width: int, seed: int
) -> None:
    image = photo(height, width)
    mask = np.random.default_rng(seed).random((height, width)) < seed / 99
    mask[0, 0] = False  # OpenCV's methods refuse a photograph of which nothing is known
    filled = inpainter.fill(image, mask, blend=True)
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    again, _ = inpainter.fill(image, mask, blend=True, return_attention=True)
    np.testing.assert_array_equal(again, filled)


def test_blending_a_batch_equals_blending_its_photographs() -> None:
    images = np.stack([np.full((20, 24, 3), level, np.uint8) for level in (60, 100, 140)])
    masks = np.zeros((3, 20, 24, 1), np.uint8)
    masks[0, 5:12, 5:18] = masks[1, 0:9, 15:] = 1
    together = Inverting().fill(images, masks, blend=True)
    for image, mask, filled in zip(images, masks, together, strict=True):
        np.testing.assert_array_equal(Inverting().fill(image, mask, blend=True), filled)
    # A plain negative, fitted to its surroundings, is what surrounds it.
    np.testing.assert_allclose(together.astype(int), images, atol=3)
    assert (np.abs(Inverting().fill(images, masks).astype(int) - images).max(axis=(1, 2, 3)))[
        0
    ] > 99


def test_detail_is_added_last() -> None:
    images = np.stack([photo(24, 32), photo(24, 32)[::-1]])
    masks = np.zeros((2, 24, 32, 1), np.uint8)
    masks[0, 4:20, 4:16] = masks[1, 8:, 16:] = 1
    inpainter = ClassicalInpainter("telea")
    for blend in (False, True):
        plain = inpainter.fill(images, masks, blend=blend)
        expected = [add_detail(*pair) for pair in zip(plain, masks[..., 0], strict=True)]
        assert not np.array_equal(expected, plain)
        for detailed in (
            inpainter.fill(images, masks, blend=blend, detail=True),
            ClassicalInpainter("telea", detail=True).fill(images, masks, blend=blend),
        ):
            np.testing.assert_array_equal(detailed, expected)


def test_an_empty_mask_gives_a_copy() -> None:
    image = photo(8, 8)
    filled, offsets = Inverting().fill(image, np.zeros((8, 8)), return_attention=True)
    np.testing.assert_array_equal(filled, image)
    assert filled is not image
    assert not np.shares_memory(filled, image)
    assert offsets is None


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 10), (9, 10, 1), (1, 9, 10, 1)])
def test_masks_of_all_kinds_mean_the_same(dtype: Any, shape: tuple[int, ...]) -> None:
    image = photo(9, 10)
    expected = Inverting().fill(image, hole(9, 10))
    given_mask = hole(9, 10, dtype).reshape(shape)
    np.testing.assert_array_equal(Inverting().fill(image, given_mask), expected)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (np.uint8([0, 1]), [0, 1]),
        (np.uint8([0, 127, 128, 255]), [0, 0, 1, 1]),
        (np.float32([0, 0.5, 0.51, 1]), [0, 0, 1, 1]),
        (np.float32([0, 127, 128, 255]), [0, 0, 1, 1]),
        (np.uint16([0, 1]), [0, 1]),
        (np.float64([0, 1.02]) * 250, [0, 1]),
        (np.float32([0.9, 0.1]), [1, 0]),
    ],
)
def test_grey_levels_of_a_mask(levels: np.ndarray, expected: list[int]) -> None:
    mask = np.zeros((8, 8), levels.dtype)
    mask[0, : len(levels)] = levels
    image = photo(8, 8)
    changed = (Inverting().fill(image, mask) != image).any(axis=-1)
    assert changed[0, : len(levels)].astype(int).tolist() == expected


def test_each_mask_of_a_batch_has_levels_of_its_own() -> None:
    image, mask = photo(8, 9), hole(8, 9).astype(np.uint8)
    filled = Inverting().fill(np.stack([image] * 2), np.stack([mask, 255 * mask])[..., None])
    for each in filled:
        np.testing.assert_array_equal(each, Inverting().fill(image, mask))


@pytest.mark.parametrize("name", ["ns", "telea"])
def test_what_lies_far_from_the_holes_changes_nothing(name: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        height, width = rng.integers(50, 120, 2)
        image = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 2)
        mask = np.zeros((height, width), np.uint8)
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        mask[top : top + rng.integers(2, 20), left : left + rng.integers(2, 20)] = 1
        mask *= rng.random(mask.shape) < 0.8
        whole = np.where(mask[..., None] == 1, opencv_inpaint(image, mask, name), image)
        np.testing.assert_array_equal(ClassicalInpainter(name).fill(image, mask), whole)


@pytest.mark.parametrize("inpainter", [Inverting(), ClassicalInpainter("telea")])
def test_a_batch_equals_its_photographs(inpainter: Inpainter) -> None:
    images = photo(3, 16, 12)
    masks = (np.random.default_rng(1).random((3, 16, 12, 1)) < 0.3).astype(np.uint8)
    masks[1] = 0
    together = inpainter.fill(images, masks)
    assert together.shape == images.shape
    for image, mask, filled in zip(images, masks, together, strict=True):
        np.testing.assert_array_equal(inpainter.fill(image, mask), filled)


def test_one_mask_serves_a_batch() -> None:
    images, mask = photo(2, 9, 10), hole(9, 10)
    filled = Inverting().fill(images, mask)
    np.testing.assert_array_equal(filled[1], Inverting().fill(images[1], mask))


@pytest.mark.parametrize("name", ["ns", "telea"])
@pytest.mark.parametrize("options", [{}, {"blend": True}])
def test_a_classical_method_refuses_to_fill_from_nothing(
    name: str, options: dict[str, bool]
) -> None:
    inpainter = ClassicalInpainter(name)
    words = f"^everything is missing, and '{name}' needs known pixels around a hole$"
    masks = np.stack([hole(9, 10), np.ones((9, 10), np.uint8)])[..., None]
    for image, mask in ((photo(9, 10), 255 * masks[1]), (photo(2, 9, 10), masks)):
        for attention in (False, True):
            with pytest.raises(UserError, match=words):
                inpainter.fill(image, mask, return_attention=attention, **options)
    with pytest.raises(UserError, match=words):
        inpainter.fill(photo(9, 10), hole(9, 10), grow=9)
    with pytest.raises(UserError, match=words):
        inpainter.predict(photo(9, 10), masks[1])
    masks[1, 4, 4] = 0
    assert (inpainter.fill(photo(2, 9, 10), masks) != photo(2, 9, 10)).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_masks_are_inverted_and_then_grown(dtype: Any) -> None:
    images, masks = photo(2, 12, 14), np.ones((2, 12, 14, 1), dtype)
    masks[0, 5, 6] = masks[1, 0, 13] = 0
    y, x = np.mgrid[:12, :14]
    for far in (0, 1, 3):
        filled = Inverting().fill(images, masks, invert_mask=True, grow=far)
        again, _ = Inverting().fill(
            images, masks, invert_mask=True, grow=far, return_attention=True
        )
        np.testing.assert_array_equal(filled, again)
        expected = [np.hypot(y - 5, x - 6) <= far, np.hypot(y, x - 13) <= far]
        np.testing.assert_array_equal((filled != images).any(axis=-1), expected)
    with pytest.raises(UserError, match="^A mask can grow by 0 pixels or more. Received: -1$"):
        Inverting().fill(images, masks, grow=-1)


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        (photo(9, 9).astype(np.float32), np.ones((9, 9)), ("uint8", "float32")),
        (photo(9, 9)[..., 0], np.ones((9, 9)), ("RGB", "(9, 9)")),
        (photo(9, 9)[..., :2], np.ones((9, 9)), ("RGB", "(9, 9, 2)")),
        (photo(7, 40), np.ones((7, 40)), ("at least 8 pixels", "40x7")),
        (photo(40, 30), np.ones((20, 10)), ("30x40", "(20, 10)")),
        (photo(9, 9), np.ones((9, 9, 3)), ("one channel", "(9, 9, 3)")),
        (photo(2, 9, 9), np.ones((3, 9, 9, 1)), ("(2, 9, 9, 1)", "(3, 9, 9, 1)")),
        (photo(9, 9), np.full((9, 9), "x"), ("bool, integer or float", "<U1")),
        (photo(9, 9), np.full((9, 9), -1), ("0..1 or 0..255", "-1")),
        (photo(9, 9), np.full((9, 9), np.nan), ("0..1 or 0..255", "nan")),
        (photo(9, 9), np.full((9, 9), 256), ("0..1 or 0..255", "256")),
        (photo(9, 9), np.full((9, 9), 65535, np.uint16), ("0..1 or 0..255", "65535")),
        (photo(9, 9), np.full((9, 9), np.inf), ("0..1 or 0..255", "inf")),
        (photo(9, 9), np.full((9, 9), 2), ("values up to 2,", "above 127")),
        (photo(9, 9), np.full((9, 9), 127, np.uint8), ("values up to 127,", "above 127")),
        (photo(9, 9), np.full((9, 9), 1.02), ("values up to 1.02,", "above 127")),
        (photo(9, 9), np.full((9, 9), 0.5), ("values up to 0.5,", "above 0.5")),
        (
            photo(2, 9, 9),
            np.stack([np.ones((9, 9, 1)), np.full((9, 9, 1), 3)]),
            ("values up to 3,", "above 127"),
        ),
    ],
)
def test_refusals_name_what_was_received(
    image: np.ndarray, mask: np.ndarray, words: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        Inverting().fill(image, mask)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_an_unknown_method_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'telea'"):
        ClassicalInpainter("tela")
