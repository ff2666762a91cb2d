"""Contextual attention against numbers that the published implementations gave."""

from __future__ import annotations

import os
from pathlib import Path

import attention_oracle as oracle
import numpy as np
import pytest

from inpaint_tf.layers import ContextualAttention, _attention_gram, _attention_reference

FORMULATIONS = ("gram", "reference", "streamed")
TAGS = {"fuse": 3, "nofuse": 1}
TOLERANCE = 2e-5


def find_cases(prefix):
    folder = Path(os.environ.get("INPAINT_TF_SHARED", "/nowhere"), "golden")
    return sorted(path.stem.removeprefix(prefix) for path in folder.glob(f"{prefix}*.npz"))


PORT_CASES = find_cases("contextual_attention_") or ["c8_32x32_onehole"]
RELEASE_CASES = find_cases("tf_v1_contextual_attention_") or ["c8_32x32_onehole_fuse"]


def load(golden, case):
    arrays = dict(np.load(golden / f"contextual_attention_{case}.npz"))
    # The port gives every sample the mask of the first.
    mask = arrays.get("mask")
    arrays["port_mask"] = None if mask is None else np.repeat(mask[:1], len(mask), axis=0)
    return arrays


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("case", PORT_CASES)
def test_port(golden, case, tag, formulation):
    arrays = load(golden, case)
    layer = ContextualAttention(fuse_size=TAGS[tag], compat="torch", formulation=formulation)
    outputs, offsets = layer(arrays["f"], arrays["b"], arrays["port_mask"], return_attention=True)
    np.testing.assert_allclose(outputs, arrays[f"y_{tag}"], atol=TOLERANCE, rtol=0)

    clear = arrays[f"argmax_margin_{tag}"] > 1e-5
    rows, columns = np.indices(clear.shape[1:])
    chosen = np.asarray(offsets) + np.stack([rows, columns], axis=-1)
    width = arrays["b"].shape[2] // 2
    argmax = chosen[..., 0] * width + chosen[..., 1]
    np.testing.assert_array_equal(argmax[clear], arrays[f"argmax_{tag}"][clear])
    if arrays["f"].shape == arrays["b"].shape:
        np.testing.assert_array_equal(np.asarray(offsets)[clear], arrays[f"offsets_{tag}"][clear])


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("case", RELEASE_CASES)
def test_2018_release(golden, case, formulation):
    case, tag = case.rsplit("_", 1)
    expected = np.load(golden / f"tf_v1_contextual_attention_{case}_{tag}.npz")
    arrays = load(golden, case)
    layer = ContextualAttention(fuse_size=TAGS[tag], compat="tf1", formulation=formulation)
    outputs = layer(arrays["f"], arrays["b"], arrays["port_mask"])
    np.testing.assert_allclose(outputs, expected["y"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("tag", TAGS)
def test_masks_are_per_sample_unlike_the_port(golden, tag, formulation):
    arrays = load(golden, "c8_32x32_per_sample_masks")
    layer = ContextualAttention(fuse_size=TAGS[tag], compat="torch", formulation=formulation)
    outputs = layer(arrays["f"], arrays["b"], arrays["mask"]).numpy()
    np.testing.assert_allclose(outputs[0], arrays[f"y_{tag}"][0], atol=TOLERANCE, rtol=0)
    assert np.abs(outputs[1] - arrays[f"y_{tag}"][1]).max() > 0.1
    alone = layer(arrays["f"][1:], arrays["b"][1:], arrays["mask"][1:])
    np.testing.assert_allclose(outputs[1], alone[0], atol=1e-6)


@pytest.mark.parametrize("tag", TAGS)
def test_steps_of_the_oracle(golden, tag):
    arrays = load(golden, "c4_12x16_steps")
    for sample in range(2):
        steps = oracle.attend_sample(
            arrays["f"][sample],
            arrays["b"][sample],
            arrays["port_mask"][sample],
            fuse_size=TAGS[tag],
            compat="torch",
        )
        names = {"f_down", "b_down", "norms", "scores_raw", "scores_fused1", "scores_fused2"}
        for name in names | {"probs", "y"}:
            expected = arrays[f"{name}_{tag}"][sample]
            np.testing.assert_allclose(steps[name], expected, atol=TOLERANCE, err_msg=name)
        np.testing.assert_array_equal(steps["valid"], arrays[f"valid_patch_{tag}"])


@pytest.mark.parametrize("how", [_attention_gram, _attention_reference])
@pytest.mark.parametrize("tag", TAGS)
def test_scores(golden, tag, how):
    arrays = load(golden, "c4_12x16_steps")
    maps = [arrays[f"{name}_down_{tag}"] for name in "fb"]
    norm = arrays[f"norms_{tag}"].reshape(2, 6, 8)
    scores = how.scores(*maps, norm, patch_size=3, fuse_size=TAGS[tag])
    expected = arrays[f"scores_fused2_{tag}"].reshape(2, 48, 48)
    np.testing.assert_allclose(scores, expected, atol=TOLERANCE)


@pytest.mark.parametrize("how", [_attention_gram, _attention_reference])
@pytest.mark.parametrize("tag", TAGS)
def test_paste(golden, tag, how):
    arrays = load(golden, "c4_12x16_steps")
    probs = arrays[f"probs_{tag}"].reshape(2, 48, 48)
    pasted = how.paste(probs, (6, 8), arrays["b"], rate=2)
    np.testing.assert_allclose(pasted / 4, arrays[f"y_{tag}"], atol=TOLERANCE)
