"""Pieces show nowhere: what is in the holes is what the whole picture gives."""

from __future__ import annotations

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from inpaint_tf.inference import NetworkInpainter, load, piecewise
from inpaint_tf.inference.inpainter import Options
from inpaint_tf.inference.keras_stages import cut_after, graph_of, keras_stages
from inpaint_tf.inference.large import LargeAttentionNetwork, LargeNetwork
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import create
from neuralgym_lite.errors import UserError

TOLERANCE = 1e-4  # in [-1, 1]
HOLES = {
    "inside": [(200, 248, 96, 80)],
    "at the border": [(0, 300, 40, 60), (480, 0, 88, 33)],
    "several": [(100, 0, 40, 50), (300, 201, 33, 59), (538, 591, 30, 9), (8, 8, 3, 3)],
}
SIZE = (568, 600)


def picture(size, holes, seed=0):
    mask = np.zeros((*size, 1), "float32")
    for top, left, height, width in holes:
        mask[top : top + height, left : left + width] = 1
    masked = np.random.default_rng(seed).uniform(-1, 1, (*size, 3)).astype("float32")
    return masked * (1 - mask), mask


def model(name, **options):
    keras.utils.set_random_seed(3)
    return create(name, width=4, **options)


def large_network(made, memory, name):
    if made.has_attention:
        return LargeAttentionNetwork(keras_stages(made), memory, name)
    run = cut_after(graph_of(made, lambda *inputs: made(inputs)["refined"], 3, 1))
    return LargeNetwork(run, made.width, made.receptive_field, made.multiple, memory, name)


def gap(network, made, masked, mask):
    """Return how far both are apart in the holes, and how far the whole network's pixels reach.

    Then the offsets of both, and how many steps were told.
    """
    options = {"return_attention": True} if made.has_attention else {}
    outputs = made((masked[None], mask[None]), **options)
    whole = outputs["refined"].numpy()[0]
    expected = outputs["offsets"].numpy()[0] if made.has_attention else None
    told = []
    pieces, offsets = network(masked, mask, Options(on_progress=told.append, return_attention=True))
    assert told == sorted(told) and told[-1] == pytest.approx(1)
    inside = mask[..., 0] == 1
    difference, spread = np.abs(pieces - whole)[inside].max(), np.ptp(whole[inside])
    return difference, spread, (offsets, expected), len(told)


@pytest.mark.parametrize(
    ("compat", "holes"),
    [
        ("keras", HOLES["inside"]),
        *((compat, sum(HOLES.values(), [])) for compat in ("keras", "torch", "tf1")),
    ],
    ids=["inside-keras", *(f"everywhere-{compat}" for compat in ("keras", "torch", "tf1"))],
)
def test_contextual_attention(compat, holes):
    made = model("ca", compat=compat)
    masked, mask = picture(SIZE, holes)
    large = large_network(made, 24 * 10**6, "ca")
    difference, spread, (offsets, expected), steps = gap(large, made, masked, mask)
    assert difference < TOLERANCE < 0.01 * spread
    assert steps > 4, "the memory was enough for all at once"
    cells = mask[..., 0].reshape(SIZE[0] // 8, 8, SIZE[1] // 8, 8).max(axis=(1, 3)) == 1
    np.testing.assert_array_equal(offsets[cells], expected[cells])
    far = cv2.dilate(cells.astype("uint8"), np.ones((17, 17))) == 0
    assert not offsets[far].any()


@pytest.mark.parametrize("name", ["stable-glcic", "glcic", "autoencoder"])
def test_without_attention(name):
    made = model(name)
    # As they are made, sigmoids hardly leave the middle: their last weights are made larger.
    made.set_weights(
        [20 * each if each.shape[-1:] == (3,) else each for each in made.get_weights()]
    )
    masked, mask = picture((800, 640), [(100, 0, 90, 200), (500, 300, 300, 200)])
    large = large_network(made, 25 * 10**6, name)
    difference, spread, _, steps = gap(large, made, masked, mask)
    assert difference < TOLERANCE < 0.01 * spread
    assert steps > 1, "the memory was enough for all at once"


def test_what_a_network_does_not_see_has_no_say():
    made = model("stable-glcic")
    masked, mask = picture((960, 16), [(0, 0, 8, 8)])
    before = made((masked[None], mask[None]))["refined"].numpy()
    masked[made.receptive_field + 8 :] = 0
    after = made((masked[None], mask[None]))["refined"].numpy()
    np.testing.assert_allclose(before[:, :8], after[:, :8], atol=1e-6)
    assert np.abs(before[:, made.receptive_field :] - after[:, made.receptive_field :]).max() > 0.01


@pytest.mark.parametrize("name", ["ca", "stable-glcic"])
def test_memory_that_is_too_small(name):
    made = model(name)
    masked, mask = picture((800, 640), [(100, 100, 50, 50)])
    with pytest.raises(UserError, match=r"takes at least 0\.\d+ GB for .* 640x800 .* of 0\.00 GB"):
        large_network(made, 10**5, name)(masked, mask, Options())


# As an inpainter.


def inpainter(**options):
    return NetworkInpainter(model("ca"), MaskMode("hole"), "ca", **options)


def photograph(height, width, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), "uint8")
    mask = np.zeros((height, width), "uint8")
    mask[height // 3 : height // 2, width // 4 : width // 3] = 1
    return image, mask


@pytest.mark.parametrize("mode", ["hole", "mosaic"])
def test_what_the_holes_depend_on_is_enough(monkeypatch, mode):
    image, mask = photograph(203, 307)
    filler = NetworkInpainter(model("ca", mask_mode=mode), MaskMode(mode), "ca")
    monkeypatch.setattr(filler, "_in_pieces", False)
    expected, offsets = filler.fill(image, mask, return_attention=True)
    whole = filler.predict(image, mask)
    monkeypatch.setattr(filler, "_in_pieces", True)
    told = []
    filled, found = filler.fill(image, mask, return_attention=True, on_progress=told.append)
    assert told[-1] == pytest.approx(1)
    # Rounding may fall to either side.
    assert np.abs(filled.astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])
    np.testing.assert_array_equal(found, offsets)
    assert np.abs(filler.predict(image, mask).astype(int) - whole).max() <= 1


def test_a_batch_of_photographs():
    pairs = [photograph(96, 120, seed) for seed in range(3)]
    images, masks = (np.stack(each) for each in zip(*pairs, strict=True))
    masks[1] = 0
    filler = inpainter()
    together = filler.fill(images, masks[..., None])
    np.testing.assert_array_equal(together[1], images[1])
    for index in (0, 2):
        np.testing.assert_array_equal(together[index], filler.fill(images[index], masks[index]))


def test_the_coarse_network_sees_a_smaller_picture():
    image, mask = photograph(256, 320)
    plain, reduced = inpainter().fill(image, mask), inpainter(coarse_at=128).fill(image, mask)
    assert np.any(plain != reduced)
    np.testing.assert_array_equal(reduced[mask == 0], image[mask == 0])
    assert np.array_equal(inpainter(coarse_at=320).fill(image, mask), plain)


@pytest.mark.usefixtures("eagerly")
def test_a_hole_much_wider_than_in_training_is_guessed_from_afar(monkeypatch):
    monkeypatch.setattr(piecewise, "LARGE", 100)
    image, _ = photograph(264, 300)
    square, stroke = (np.zeros((264, 300), "uint8") for _ in range(2))
    square[100:150, 125:175] = 1
    stroke[100:132, 10:290] = 1
    filler = inpainter(trained_hole=16)
    # Its middle is 25 pixels from what is known: 16 pixels of 50 are a share of 96 of 300.
    from_afar = filler.fill(image, square)
    np.testing.assert_array_equal(from_afar, inpainter(coarse_at=96).fill(image, square))
    assert np.any(from_afar != inpainter().fill(image, square))
    np.testing.assert_array_equal(filler.fill(image, stroke), inpainter().fill(image, stroke))
    all_missing = np.ones((264, 300), "uint8")
    np.testing.assert_array_equal(
        filler.fill(image, all_missing), inpainter(coarse_at=64).fill(image, all_missing)
    )
    given = inpainter(trained_hole=16, coarse_at=150)
    np.testing.assert_array_equal(
        given.fill(image, square), inpainter(coarse_at=150).fill(image, square)
    )


def test_a_reduced_flat_picture_gives_a_flat_guess():
    # The guess is the coarse network's picture, enlarged: of a flat one it is nearly that of the
    # whole picture, where the border is far.
    image = np.full((512, 512, 3), 90, "uint8")
    mask = np.zeros((512, 512), "uint8")
    mask[240:280, 240:280] = 1
    filler = inpainter(coarse_at=256)
    guess = filler._guess(image, mask[..., None])
    assert guess.shape == (512, 512, 3)
    known = guess[400:420, 400:420]
    assert np.ptp(known, axis=(0, 1)).max() < 0.1


@pytest.mark.parametrize(
    ("part", "fails"),
    [
        ("__call__", "on 120x96 pixels .*; give a smaller `memory`"),
        ("whole_guess", "on 64x51 pixels .*; give a smaller `coarse_at`"),
    ],
)
def test_out_of_memory_is_one_line(monkeypatch, part, fails):
    def exhausted(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    filler = inpainter(coarse_at=64)
    monkeypatch.setattr(LargeAttentionNetwork, part, exhausted)
    with pytest.raises(UserError, match=f"'ca' fails {fails}") as refused:
        filler.fill(*photograph(96, 120))
    assert "ResourceExhaustedError" in str(refused.value)


@pytest.mark.parametrize("value", [0, 63, -5])
def test_coarse_at_must_be_large_enough(value):
    with pytest.raises(UserError, match=f"`coarse_at` must be at least 64 pixels, not {value}"):
        inpainter(coarse_at=value)


def test_a_network_without_two_stages_has_no_coarse_one():
    with pytest.raises(UserError, match="'glcic' has no coarse network; leave out `coarse_at`"):
        NetworkInpainter(model("glcic"), MaskMode("hole"), "glcic", coarse_at=256)


def test_opencv_has_no_coarse_network():
    assert load("ns", memory=10**9).name == "ns"
    with pytest.raises(UserError, match="'ns' has no coarse network; leave out `coarse_at`"):
        load("ns", coarse_at=256)
