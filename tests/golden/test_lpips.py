"""LPIPS with the published weights against the numbers that its authors give."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from inpaint_tf.metrics import lpips, lpips_weights
from inpaint_tf.metrics.lpips_weights import weights_from


@pytest.fixture
def published(shared):
    with weights_from(shared / "weights"):
        yield


@pytest.fixture
def examples(golden):
    """The authors' example: a reference, and two distortions of it."""
    names = ("ref", "p0", "p1")
    paths = [golden / f"lpips_ex_{name}.png" for name in names]
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def test_the_authors_example(published, examples):
    reference, first, second = examples
    assert lpips(reference, first) == pytest.approx(0.7219, abs=0.0005)
    assert lpips(reference, second) == pytest.approx(0.1376, abs=0.0005)


@pytest.mark.parametrize("network", ["alex", "squeeze"])
def test_of_a_batch(published, examples, network):
    reference, first, second = examples
    truth, result = np.stack([reference] * 32), np.stack([first, second] * 16)
    scores = lpips(truth, result, network=network)
    np.testing.assert_allclose(scores[:2], scores[-2:], rtol=0, atol=1e-6)
    assert scores[0] > 4 * scores[1] > 0
    assert lpips(first, reference, network=network) == pytest.approx(scores[0], abs=1e-6)
    assert lpips(reference, reference, network=network) == 0


@pytest.mark.parametrize("name", lpips_weights.SHA256)
def test_the_published_numbers_are_the_pinned_ones(published, name):
    arrays = lpips_weights.read(name, lpips_weights.find(name))
    assert all(array.dtype == "float32" for array in arrays.values())
