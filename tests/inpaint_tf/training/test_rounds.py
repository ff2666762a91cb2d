"""Rounds: data as a pure function of the settings and an index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inpaint_tf.data import PhotoSet
from inpaint_tf.losses import discount_weights
from inpaint_tf.masks import opencv_inpaint
from inpaint_tf.training.config import DataConfig, MaskConfig, TrainConfig, WGANLossConfig
from inpaint_tf.training.rounds import RoundDataset
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import ImageError

COUNT = 6


@pytest.fixture
def photos(tmp_path):
    """Photographs whose red value is their number, times ten."""
    names = [f"{i}.png" for i in range(COUNT + 1)]
    noise = np.random.default_rng(0).integers(0, 256, (COUNT + 1, 20, 24, 3), "uint8")
    for i, name in enumerate(names):
        noise[i, ..., 0] = 10 * i
        Image.fromarray(noise[i]).save(tmp_path / name)
    return PhotoSet("folder", tmp_path, tuple(names[:COUNT]), tuple(names[COUNT:]))


def settings(**options):
    mask = {"mode": "hole", "max_delta": 4, **options.pop("mask", {})}
    values = {"batch_size": 2, "n_critic": 3, "seed": 5, **options}
    return TrainConfig(data=DataConfig(image_size=16), mask=MaskConfig(**mask), **values)


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def numbers(round_):
    """List the photographs of a round in their order: batch by batch."""
    return (round_["image"][:, :, 0, 0, 0] // 10).T.ravel().tolist()


# A pure function.


@pytest.mark.parametrize("mode", ["hole", "mosaic", "hole_ns", "hole_telea"])
def test_depends_on_the_index_alone(photos, mode):
    config = settings(mask={"mode": mode})
    forward, backward = RoundDataset(photos, config), RoundDataset(photos, config)
    rounds = [forward.make(i) for i in range(4)]
    for i in (3, 0, 2, 1):
        assert_same(backward.make(i), rounds[i])
    assert np.any(rounds[0]["mask"] != rounds[1]["mask"])


def test_seed_changes_everything(photos):
    one, other = (RoundDataset(photos, settings(seed=seed)).make(0) for seed in (0, 1))
    assert all(np.any(one[name] != other[name]) for name in one)


@pytest.mark.parametrize("n_critic", [1, 2])
def test_how_iterations_are_grouped_into_rounds_changes_nothing(photos, n_critic):
    six = RoundDataset(photos, settings(n_critic=6)).make(0)
    maker = RoundDataset(photos, settings(n_critic=n_critic))
    for name in ("image", "mask", "box", "alpha"):
        parts = [maker.make(i)[name] for i in range(6 // n_critic)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), six[name], err_msg=name)


def test_random_streams_do_not_share_numbers(photos):
    one, other = (
        RoundDataset(photos, settings(mask={"max_delta": delta})).make(0) for delta in (0, 7)
    )
    np.testing.assert_array_equal(one["alpha"], other["alpha"])
    np.testing.assert_array_equal(one["image"], other["image"])
    assert np.any(one["mask"] != other["mask"])


# What is in it.


def test_shapes_and_dtypes(photos):
    made = RoundDataset(photos, settings()).make(0)
    expected = {
        "image": ((2, 3, 16, 16, 3), "uint8"),
        "mask": ((2, 3, 16, 16, 1), "uint8"),
        "box": ((2, 3, 4), "int32"),
        "real_box": ((2, 3, 4), "int32"),
        "alpha": ((2, 3, 2), "float32"),
        "discount": ((2, 16, 16, 1), "float32"),
    }
    assert {name: (array.shape, array.dtype.name) for name, array in made.items()} == expected
    assert made["alpha"].min() >= 0
    assert made["alpha"].max() < 1
    assert len(np.unique(made["alpha"])) == made["alpha"].size


def test_every_photograph_once_in_an_epoch(photos):
    maker = RoundDataset(photos, settings())
    epochs = [numbers(maker.make(i)) for i in range(4)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(COUNT))] * 4
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_epochs_run_on_through_rounds(photos):
    maker = RoundDataset(photos, settings(batch_size=4, n_critic=1))
    order = [number for i in range(3) for number in numbers(maker.make(i))]
    assert sorted(order[:COUNT]) == sorted(order[COUNT:]) == list(range(COUNT))


def test_held_out_photographs_are_not_trained_on(photos):
    maker = RoundDataset(photos, settings())
    assert COUNT not in {number for i in range(4) for number in numbers(maker.make(i))}


@pytest.mark.parametrize("mode", ["hole", "mosaic"])
def test_not_prefilled(photos, mode):
    assert "prefilled" not in RoundDataset(photos, settings(mask={"mode": mode})).make(0)


@pytest.mark.parametrize("method", ["ns", "telea"])
def test_prefilled(photos, method):
    made = RoundDataset(photos, settings(mask={"mode": f"hole_{method}"})).make(0)
    assert made["prefilled"].dtype == np.uint8
    for i, j in np.ndindex(2, 3):
        expected = opencv_inpaint(made["image"][i, j], made["mask"][i, j], method)
        np.testing.assert_array_equal(made["prefilled"][i, j], expected)


@pytest.mark.parametrize("form", ["known", "box"])
def test_discount_is_of_the_last_batch(photos, form):
    loss = WGANLossConfig(spatial_discount=form, spatial_discount_gamma=0.5)
    made = RoundDataset(photos, settings(loss=loss)).make(0)
    for i in range(2):
        mask, box = made["mask"][i, -1], made["box"][i, -1]
        np.testing.assert_array_equal(made["discount"][i], discount_weights(mask, box, 0.5, form))


def test_boxes_of_a_batch(photos):
    maker = RoundDataset(photos, settings(n_critic=6))
    boxes = maker.make(0)["box"]
    np.testing.assert_array_equal(boxes[0], boxes[1])
    assert len(np.unique(boxes[0], axis=0)) > 1
    config = settings(n_critic=6, mask={"same_box": False})
    boxes = RoundDataset(photos, config).make(0)["box"]
    assert np.any(boxes[0] != boxes[1])


# Photographs that cannot be read.


def test_bad_photograph_is_replaced_and_told_of_once(photos):
    (photos.root / "2.png").write_bytes(b"no picture")
    told = []
    maker = RoundDataset(photos, settings(max_bad_photos=1.0), told.append)
    rounds = [maker.make(i) for i in range(4)]
    assert ["2.png" in str(error) for error in told] == [True]
    again = [RoundDataset(photos, settings(max_bad_photos=1.0)).make(i) for i in (3, 2, 1, 0)]
    clean = [numbers(round_) for round_ in again]
    assert [numbers(round_) for round_ in rounds] == clean[::-1]
    for round_ in rounds:
        assert len(numbers(round_)) == COUNT
        assert set(numbers(round_)) == {0, 1, 3, 4, 5}


def test_other_photographs_stay_where_they_are(photos):
    before = numbers(RoundDataset(photos, settings()).make(0))
    (photos.root / "2.png").unlink()
    after = numbers(RoundDataset(photos, settings(max_bad_photos=1.0)).make(0))
    differ = [i for i in range(COUNT) if before[i] != after[i]]
    assert [before[i] for i in differ] == [2]


def test_no_photograph_can_be_read(photos):
    for key in photos.train:
        (photos.root / key).write_bytes(b"")
    told = []
    with pytest.raises(UserError, match=f"{photos.root.name}.*can be read"):
        RoundDataset(photos, settings(max_bad_photos=1.0), told.append).make(0)
    assert len(told) == COUNT


def test_photographs_without_a_folder_are_named(photos, monkeypatch):
    def fail(self, key, size):
        raise ImageError(f"'{key}' is broken")

    monkeypatch.setattr(PhotoSet, "load", fail)
    nowhere = replace(photos, name="samples", root=None)
    with pytest.raises(UserError, match="of 'samples' can be read"):
        RoundDataset(nowhere, settings(max_bad_photos=1.0)).make(0)
    with pytest.raises(UserError, match="photographs of 'samples' cannot be read"):
        RoundDataset(nowhere, settings(max_bad_photos=0.0)).make(0)
    with pytest.raises(UserError, match="'samples' has 0 train and 1 test images"):
        replace(nowhere, train=())


def test_hole_larger_than_the_picture(photos):
    with pytest.raises(UserError, match="height is 20.*image has 16"):
        RoundDataset(photos, settings(mask={"height": 20}))


# How many may be unreadable.


@pytest.fixture
def many(tmp_path):
    """A hundred training photographs, the first `bad` of which `spoil` damages."""
    keys = tuple(f"{i:03d}.png" for i in range(101))
    for key in keys:
        Image.fromarray(np.zeros((16, 16, 3), "uint8")).save(tmp_path / key)
    return PhotoSet("folder", tmp_path, keys[:100], keys[100:])


def spoil(photos, count):
    for key in photos.train[:count]:
        (photos.root / key).write_bytes(b"")
    return list(photos.train[:count])


def epoch(maker):
    return [maker.make(i) for i in range(-(-100 // 6))]


def test_as_many_as_allowed(many):
    bad = spoil(many, 5)
    told = []
    maker = RoundDataset(many, settings(), told.append)
    epoch(maker)
    assert sorted(str(error).split(":")[0] for error in told) == [
        str(many.root / key) for key in bad
    ]
    assert maker.failure is None


@pytest.mark.parametrize(("count", "share"), [(6, 0.05), (1, 0.0), (21, 0.2)])
def test_more_than_allowed_are_listed(many, count, share):
    bad = spoil(many, count)
    maker = RoundDataset(many, settings(max_bad_photos=share))
    with pytest.raises(UserError, match=f"^{count} of 100 photographs") as caught:
        epoch(maker)
    assert str(many.root) in str(caught.value)
    assert "`max_bad_photos=0.2`" in str(caught.value)
    assert "\n" not in str(caught.value)
    listed = [key for key in many.train if key in str(caught.value)]
    assert listed == bad[:20]
    assert (" and 1 more" in str(caught.value)) == (count == 21)
    assert maker.failure is caught.value


def test_the_reason_of_a_broken_pipeline_is_kept(many):
    spoil(many, 100)
    maker = RoundDataset(many, settings(max_bad_photos=1.0))
    with pytest.raises(UserError, match="No photograph of") as caught:
        maker.make(0)
    assert maker.failure is caught.value


def test_keys_are_the_photographs_of_a_batch(photos):
    maker = RoundDataset(photos, settings())
    for index in range(4):
        keys = [key for i in range(3) for key in maker.keys(3 * index + i)]
        assert [f"{number}.png" for number in numbers(maker.make(index))] == keys


def test_keys_are_told_without_reading(photos):
    before = RoundDataset(photos, settings()).keys(0)
    for key in photos.train:
        (photos.root / key).unlink()
    assert RoundDataset(photos, settings()).keys(0) == before


def test_another_order(photos):
    orders = [
        [key for i in range(6) for key in RoundDataset(photos, settings(), order=order).keys(i)]
        for order in (0, 1, 2)
    ]
    assert orders[0] == [key for i in range(6) for key in RoundDataset(photos, settings()).keys(i)]
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    one, other = (RoundDataset(photos, settings(), order=order).make(0) for order in (0, 1))
    for name in ("mask", "box", "real_box", "alpha"):
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


# Augmentation.


def test_photographs_are_varied_by_their_position_alone(photos):
    data = DataConfig(image_size=16, flip=True, smallest_crop=0.7)
    config = settings(batch_size=4).model_copy(update={"data": data})
    first, second = RoundDataset(photos, config), RoundDataset(photos, config)
    rounds = [first.make(i) for i in range(3)]
    for i in (2, 0, 1):
        assert_same(second.make(i), rounds[i])
    by_photo: dict[int, set[bytes]] = {}
    for number, image in zip(
        [n for each in rounds for n in numbers(each)],
        [image for each in rounds for image in np.swapaxes(each["image"], 0, 1).reshape(-1, 768)],
        strict=True,
    ):
        by_photo.setdefault(number, set()).add(image.tobytes())
    assert set(by_photo) == set(range(COUNT))
    assert all(len(seen) > 1 for seen in by_photo.values()), "each pass sees it otherwise"


def test_masks_stay_as_they_are_without_augmentation(photos):
    data = DataConfig(image_size=16, flip=True, smallest_crop=0.7)
    plain = settings()
    varied = plain.model_copy(update={"data": data})
    one, other = (RoundDataset(photos, config).make(1) for config in (plain, varied))
    np.testing.assert_array_equal(one["mask"], other["mask"])
    assert np.any(one["image"] != other["image"])
