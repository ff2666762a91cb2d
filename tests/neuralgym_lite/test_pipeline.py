"""The index-driven pipeline."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tensorflow as tf

from neuralgym_lite.pipeline import index_driven


def make(index):
    return {
        "image": np.full((2, 3), index, "uint8"),
        "box": np.array([index, -index], "int32"),
        "alpha": np.array(index / 2, "float32"),
    }


def indices(dataset):
    return [int(element["image"][0, 0]) for element in dataset]


def test_elements_are_what_was_made():
    for index, element in enumerate(index_driven(make, 0, 3)):
        assert element.keys() == make(0).keys()
        for name, array in make(index).items():
            assert element[name].dtype == tf.as_dtype(array.dtype)
            np.testing.assert_array_equal(element[name], array)


def test_shapes_are_known():
    spec = index_driven(make, 0, 3).element_spec
    assert spec["image"] == tf.TensorSpec((2, 3), tf.uint8)
    assert spec["box"] == tf.TensorSpec((2,), tf.int32)
    assert spec["alpha"] == tf.TensorSpec((), tf.float32)


@pytest.mark.parametrize("start", [0, 1, 9])
def test_starting_late_is_skipping(start):
    whole, late = indices(index_driven(make, 0, 10)), indices(index_driven(make, start, 10))
    assert late == whole[start:] == list(range(start, 10))


def test_starting_late_makes_nothing_before():
    made = []

    def remember(index):
        made.append(index)
        return make(index)

    list(index_driven(remember, 5, 8))
    assert set(made) == {5, 6, 7}


def test_order_does_not_depend_on_which_worker_is_fast():
    def slow_first(index):
        time.sleep(0.05 if index % 4 == 0 else 0)
        return make(index)

    assert indices(index_driven(slow_first, 0, 12, workers=4, ahead=4)) == list(range(12))


def test_second_pass_is_the_same():
    dataset = index_driven(make, 2, 6)
    assert indices(dataset) == indices(dataset)


def test_nothing_left():
    assert indices(index_driven(make, 4, 4)) == []


def test_errors_are_not_swallowed():
    def fail(index):
        if index == 2:
            raise ValueError("no photograph left")
        return make(index)

    with pytest.raises(tf.errors.InvalidArgumentError, match="no photograph left"):
        list(index_driven(fail, 0, 4))
