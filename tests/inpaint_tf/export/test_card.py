"""The card of an exported model: whose scores it shows."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest

from inpaint_tf.export.card import EVALUATION, gather, score_lines
from inpaint_tf.weights import GENERATOR_FILE
from neuralgym_lite.errors import UserError

INPAINTER = SimpleNamespace(name="network", detail=False)


@pytest.fixture
def scored(tmp_path):
    """A folder with a network and the evaluation of it, which scored a baseline too."""
    weights = tmp_path / GENERATOR_FILE
    weights.write_bytes(b"weights")
    evaluation = tmp_path / EVALUATION
    evaluation.parent.mkdir()
    models = [{"name": "ns"}, {"sha256": hashlib.sha256(b"weights").hexdigest()}]
    evaluation.write_text(
        json.dumps(
            {
                "settings": {"models": models},
                "dataset": {"name": "samples", "photographs": 3, "image_size": 32},
                "methods": {"network": {"psnr_whole_db": {"mean": 21.5}}},
            }
        )
    )
    return tmp_path


def test_scores_of_these_weights_are_shown(scored):
    assert "21.5" in score_lines(gather(str(scored), INPAINTER))[-1]


def test_scores_of_other_weights_are_not(scored):
    (scored / GENERATOR_FILE).write_bytes(b"trained further")
    (line,) = score_lines(gather(str(scored), INPAINTER))
    assert "of another state" in line and "`inpaint-tf evaluate`, then export again" in line


def test_a_card_says_over_what_its_means_are(scored):
    path = scored / EVALUATION
    document = json.loads(path.read_text())
    document["left_out"] = {"psnr_whole_db": ["a.png"]}
    document["methods"]["exact"] = {
        "psnr_whole_db": {"mean": None, "n": 3, "infinite": 3, "failed": 0},
        "mse_whole_255": {"mean": None, "n": 3, "infinite": 0, "failed": 2},
    }
    path.write_text(json.dumps(document))
    lines = score_lines(gather(str(scored), INPAINTER))
    assert lines[1].startswith("PSNR: 1 of 3 photographs left out, on which a method is exact")
    assert lines[-1] == "| exact | failed on 2 | not measured | infinite | not measured |"


@pytest.mark.parametrize("content", ['{"settings":', "[]", "{}", '{"settings": {"models": [1]}}'])
def test_a_damaged_evaluation_is_named(scored, content):
    (scored / EVALUATION).write_text(content)
    with pytest.raises(UserError, match=r"metrics.json' is no evaluation .*: evaluate again"):
        gather(str(scored), INPAINTER)
