"""Attention offsets as colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inpaint_tf.flow_colors import attention_map, color_wheel, flow_to_rgb
from neuralgym_lite.errors import UserError


def test_equals_the_golden_file(shared: Path) -> None:
    with np.load(shared / "golden" / "flow_color.npz") as golden:
        np.testing.assert_array_equal(color_wheel(), golden["colorwheel"])
        np.testing.assert_array_equal(flow_to_rgb(golden["offsets"]), golden["per_image_uint8"])


def test_the_wheel_turns_through_six_pure_hues() -> None:
    wheel = color_wheel()
    assert wheel.shape == (55, 3)
    corners = np.cumsum([0, 15, 6, 4, 11, 13])
    expected = ["ff0000", "ffff00", "00ff00", "00ffff", "0000ff", "ff00ff"]
    assert [bytes(row).hex() for row in wheel[corners].astype(np.uint8)] == expected


def test_hand_worked() -> None:
    offsets = np.array([[[0, 0], [-4, 0], [-2, 0]]])
    picture = flow_to_rgb(offsets)
    # Straight up is angle 0: the middle of the wheel, entry 27, two steps into cyan to blue.
    cyan = np.array([0, 255 - 255 * 2 // 11, 255])
    assert picture[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(picture[0, 1], cyan, atol=1)
    np.testing.assert_allclose(picture[0, 2], (255 + cyan) / 2, atol=1)


def test_a_picture_does_not_depend_on_its_batch() -> None:
    rng = np.random.default_rng(0)
    offsets = rng.integers(-31, 32, (3, 8, 6, 2)) // np.array([1, 4, 9]).reshape(3, 1, 1, 1)
    batch = flow_to_rgb(offsets)
    assert batch.shape == (3, 8, 6, 3)
    for index in range(3):
        np.testing.assert_array_equal(batch[index], flow_to_rgb(offsets[index]))


@pytest.mark.parametrize("length", range(1, 60))
def test_rounding_never_wraps_the_longest_offset_around(length: int) -> None:
    angles = np.linspace(0, 2 * np.pi, 90)
    offsets = np.rint(length * np.stack([np.sin(angles), np.cos(angles)], axis=-1)).astype(int)
    for offset in offsets:
        # Alone in its picture every offset is the longest: one channel of a pure hue is empty.
        assert flow_to_rgb(offset.reshape(1, 1, 2)).min() == 0


def test_a_map_has_the_size_of_its_photograph() -> None:
    offsets = np.random.default_rng(1).integers(-3, 4, (3, 2, 2))
    picture = attention_map(offsets, (21, 16, 3))
    assert picture.shape == (21, 16, 3)
    assert (picture[8:16, 8:16] == flow_to_rgb(offsets)[1, 1]).all()
    assert (picture[16:21, :8] == flow_to_rgb(offsets)[2, 0]).all()


def test_no_offset_at_all_is_white() -> None:
    assert (flow_to_rgb(np.zeros((2, 4, 4, 2), np.int32)) == 255).all()


@pytest.mark.parametrize("shape", [(4, 2), (4, 4, 3), (1, 2, 4, 4, 2)])
def test_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="offsets must be"):
        flow_to_rgb(np.zeros(shape, np.int32))
