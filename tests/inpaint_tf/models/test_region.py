"""What a network computes of a box is what it computes of the whole picture."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from inpaint_tf.models import create
from inpaint_tf.models.region import Region

SIZE = (168, 200)
BOXES = [(80, 96, 96, 128), (0, 0, 8, 8), (160, 40, 168, 200), (0, 0, *SIZE)]


@pytest.mark.parametrize("compat", ["keras", "torch", "tf1"])
@pytest.mark.parametrize("box", BOXES)
def test_a_box_is_cut_out_of_the_whole(box, compat):
    keras.utils.set_random_seed(3)
    model = create("ca", width=2, compat=compat)
    rng = np.random.default_rng(0)
    picture = rng.uniform(-1, 1, (1, *SIZE, 3)).astype("float32")
    mask = (rng.uniform(0, 1, (1, *SIZE, 1)) > 0.9).astype("float32")
    attended = rng.uniform(-1, 1, (1, SIZE[0] // 4, SIZE[1] // 4, 8)).astype("float32")
    region = Region(tf.constant(box), tf.constant(SIZE))
    top, left, bottom, right = box
    for function, inputs in ((model.guess, ()), (model.decode, (attended,))):
        whole = function(picture, mask, *inputs)[:, top:bottom, left:right]
        found = function(picture, mask, *inputs, region)
        np.testing.assert_allclose(found, whole, atol=1e-5)
        assert np.ptp(found) > 1e-3
