"""LPIPS: its numbers, and which weights it takes."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import keras
import lpips_oracle as oracle
import numpy as np
import pytest

from inpaint_tf.metrics import lpips, lpips_weights
from inpaint_tf.metrics.lpips import Lpips, _load
from inpaint_tf.metrics.lpips_model import LpipsModel
from inpaint_tf.metrics.lpips_weights import MissingWeightsError, digest, weights_from
from neuralgym_lite.errors import UserError

WEIGHTS = {"alex": oracle.alex_weights(16), "squeeze": oracle.squeeze_weights(8)}
NETWORKS = pytest.mark.parametrize("network", WEIGHTS)


def pictures(count, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def measure():
    return Lpips("alex", WEIGHTS["alex"])


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A machine without weights, on which those of `WEIGHTS` pass for the published ones."""
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INPAINT_TF_WEIGHTS", raising=False)
    for network, weights in WEIGHTS.items():
        monkeypatch.setitem(lpips_weights.SHA256, f"lpips-{network}", digest(weights))
    _load.cache_clear()
    yield
    _load.cache_clear()


@pytest.fixture
def npz(tmp_path):
    """The weights of AlexNet in a file."""
    path = tmp_path / "weights" / lpips_weights.file_name("lpips-alex")
    path.parent.mkdir()
    np.savez(path, **WEIGHTS["alex"])
    return path


# Parity.


@NETWORKS
@pytest.mark.parametrize(("height", "width"), [(31, 31), (64, 64), (33, 47), (40, 34)])
def test_equals_a_plain_oracle(network, height, width):
    truth, result = pictures(2, height, width)
    maps = oracle.maps(network, WEIGHTS[network], truth, result)
    measure = Lpips(network, WEIGHTS[network])
    expected = sum(each.mean() for each in maps)
    assert measure.distance(truth, result, None) == pytest.approx(expected, rel=1e-5)
    batch = LpipsModel(network, WEIGHTS[network])((truth[None], result[None]))
    np.testing.assert_allclose(batch, [expected], rtol=1e-5)


def test_of_a_hole_equals_enlarged_maps(measure):
    truth, result = pictures(2, 48, 36)
    missing = np.zeros((48, 36), np.uint8)
    missing[3:29, 10:36] = 1
    maps = oracle.maps("alex", WEIGHTS["alex"], truth, result)
    expected = sum(oracle.enlarged(each, 48, 36)[missing == 1].mean() for each in maps)
    assert measure.distance(truth, result, missing) == pytest.approx(expected, rel=1e-5)


def test_a_change_counts_most_where_it_is(measure):
    truth = pictures(1, 256, 256)[0]
    result = truth.copy()
    result[:32, :32] = 0
    near, far = np.zeros((2, 256, 256), np.uint8)
    near[:32, :32], far[-32:, -32:] = 1, 1
    assert measure.distance(truth, result, near) > 10 * measure.distance(truth, result, far)


# Promises.


@NETWORKS
def test_zero_for_equal_pictures_and_symmetric(network):
    measure = Lpips(network, WEIGHTS[network])
    for truth, result in (pictures(2, 64, 48), pictures(2, 64, 48) // 64, pictures(2, 64, 48) * 0):
        assert measure.distance(truth, truth.copy(), None) == 0
        forth, back = measure.distance(truth, result, None), measure.distance(result, truth, None)
        assert 0 <= forth == back


def test_a_batch_gives_what_each_picture_gives(npz):
    truth, result = pictures(32, 40, 40), pictures(32, 40, 40, seed=1)
    mask = np.zeros((32, 40, 40, 1), np.uint8)
    mask[:, 5:30, 8:20] = 1
    with weights_from(npz):
        for masks in (None, mask):
            together = lpips(truth, result, masks)
            assert together.dtype == np.float64
            assert together.shape == (32,)
            _load.cache_clear()
            for index in (31, 4):
                alone = lpips(truth[index], result[index], None if masks is None else mask[index])
                assert alone.shape == ()
                assert alone == together[index]


def test_float32_whatever_the_policy(measure):
    truth, result = pictures(2, 40, 40)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = Lpips("alex", WEIGHTS["alex"])
    finally:
        keras.config.set_dtype_policy(before)
    assert half.distance(truth, result, None) == measure.distance(truth, result, None)


def test_a_truth_is_looked_at_once(measure, monkeypatch):
    seen = []
    features = measure._features

    def counted(images):
        seen.append(images)
        return features(images)

    monkeypatch.setattr(measure, "_features", counted)
    truths, results = pictures(3, 64, 64, seed=5), pictures(3, 64, 64, seed=6)
    scores = {}
    for index in range(3):
        for truth in range(3):
            scores[truth, index] = measure.distance(truths[truth], results[index], None)
    assert len(seen) == 3 + 9
    for (truth, index), score in scores.items():
        whole = np.ones((64, 64), np.uint8)
        assert measure.distance(truths[truth], results[index], None) == score
        measure.distance(truths[truth], results[index], whole)
    assert len(seen) == 3 + 9


def test_what_is_kept_has_a_limit(measure, monkeypatch):
    cache = measure._cache
    monkeypatch.setattr(cache, "limit", 200_000)
    pairs = zip(pictures(9, 64, 64, seed=7), pictures(9, 64, 64, seed=8), strict=True)
    scores = [measure.distance(*pair, None) for pair in pairs]
    assert 0 < cache.held <= cache.limit
    assert cache.held == 4 * sum(
        int(np.prod(array.shape)) for value in cache.values.values() for array in value
    )
    pair = pictures(9, 64, 64, seed=7)[0], pictures(9, 64, 64, seed=8)[0]
    assert measure.distance(*pair, None) == scores[0]


def test_one_graph_for_all_sizes():
    measure = Lpips("alex", WEIGHTS["alex"])
    for size in (32, 40, 48, 57, 64):
        measure.distance(*pictures(2, size, size + 3), None)
    assert measure._features.experimental_get_tracing_count() <= 2


# Which weights.


def test_without_weights_the_line_says_what_gets_them():
    picture = pictures(1, 32, 32)
    for network in WEIGHTS:
        with pytest.raises(MissingWeightsError) as error:
            lpips(picture, picture, network=network)
        command = f"inpaint-tf weights get lpips-{network}"
        assert error.value.command == command
        assert command in str(error.value)
        assert "$INPAINT_TF_WEIGHTS (not set)" in str(error.value)
        assert "\n" not in str(error.value)


def test_where_weights_are_looked_for(npz, tmp_path, monkeypatch):
    find = partial(lpips_weights.find, "lpips-alex")
    kept = lpips_weights.kept_at("lpips-alex")
    kept.parent.mkdir(parents=True)
    kept.write_bytes(npz.read_bytes())
    assert find() == kept
    for place in (npz, npz.parent):
        monkeypatch.setenv("INPAINT_TF_WEIGHTS", str(place))
        assert find() == npz
    other = tmp_path / "other.npz"
    other.write_bytes(npz.read_bytes())
    with weights_from(other), weights_from(None):
        assert find() == other
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(find).result() == other
    monkeypatch.setenv("INPAINT_TF_WEIGHTS", str(tmp_path / "none"))
    assert find() == kept


def test_a_path_that_is_given_must_exist(tmp_path):
    with pytest.raises(UserError, match="do not exist"), weights_from(tmp_path / "none.npz"):
        pass


def test_refuses_other_numbers(npz):
    arrays = dict(WEIGHTS["alex"])
    arrays["lin0"] = np.nextafter(arrays["lin0"], 9, dtype="float32")
    for changed in (arrays, {}, {"lin0": arrays["lin0"]}, WEIGHTS["squeeze"]):
        np.savez(npz, **changed)
        with pytest.raises(UserError, match="not hold the published numbers of 'lpips-alex'"):
            lpips_weights.read("lpips-alex", npz)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x93NUMPY", b"PK\3\4"])
def test_refuses_garbage(npz, content):
    npz.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as error:
        lpips_weights.read("lpips-alex", npz)
    assert "\n" not in str(error.value)


def test_refuses_pickles_and_bombs(npz):
    np.savez(npz, lin0=np.array([print], dtype=object))
    with pytest.raises(UserError, match="cannot be read.*pickle"):
        lpips_weights.read("lpips-alex", npz)
    with zipfile.ZipFile(npz, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lin0.npy", bytes(65 << 20))
    with pytest.raises(UserError, match="would unpack to"):
        lpips_weights.read("lpips-alex", npz)


def test_unknown_weights():
    with pytest.raises(UserError, match="Unknown weights 'lpips-alexx'. Did you mean 'lpips-alex'"):
        lpips_weights.find("lpips-alexx")


# Which pictures.


@pytest.mark.parametrize("shape", [(30, 64, 3), (64, 30, 3), (64, 64, 1), (64, 64, 4)])
def test_refuses_what_the_network_cannot_see(measure, shape):
    picture = np.zeros(shape, np.uint8)
    with pytest.raises(UserError, match=r"at least 31x31 pixels, got \d+x\d+ with \d channels"):
        measure.distance(picture, picture, None)


def test_digest_is_of_names_shapes_and_numbers():
    arrays = {"a": np.arange(6, dtype="f4").reshape(2, 3), "b": np.zeros(2, "f4")}
    known = digest(arrays)
    assert known == digest({"b": arrays["b"], "a": np.asfortranarray(arrays["a"]).astype(">f4")})
    assert known != digest({**arrays, "a": arrays["a"].reshape(3, 2)})
    assert known != digest({"a": arrays["a"], "c": arrays["b"]})
    assert known != digest({"a": arrays["a"]})
