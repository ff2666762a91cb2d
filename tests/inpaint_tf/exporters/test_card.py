"""The card of an exported model: whose scores it shows."""

from __future__ import annotations

import hashlib
import json

import pytest

import inpaint_tf
from inpaint_tf import weights
from inpaint_tf.exporters.card import (
    EVALUATION,
    PRECISIONS,
    Facts,
    Training,
    gather,
    score_lines,
    write_card,
)
from inpaint_tf.exporters.check import Difference
from inpaint_tf.exporters.exporter import left_out
from inpaint_tf.exporters.price import Price
from inpaint_tf.inference import Inpainter
from inpaint_tf.masks import MaskMode
from inpaint_tf.model_source import ModelSource
from inpaint_tf.weights import FACTS_FILE, GENERATOR_FILE
from neuralgym_lite.errors import UserError

PRICE = Price({"MSE": (250.0, 248.5), "LPIPS": (0.1, 0.1)}, 4_000_000)


class Fake(Inpainter):
    """Comes from a folder whose network cannot be loaded."""

    name = "network"

    def __init__(self, folder):
        self.source = ModelSource.find(folder)

    def _predict(self, *_):
        raise NotImplementedError


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
    assert "21.5" in gather(Fake(scored)).scores[-1]


def test_scores_of_other_weights_are_not(scored):
    (scored / GENERATOR_FILE).write_bytes(b"trained further")
    (line,) = gather(Fake(scored)).scores
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
    lines = gather(Fake(scored)).scores
    assert lines[1].startswith("PSNR: 1 of 3 photographs left out, on which a method is exact")
    assert lines[-1] == "| exact | failed on 2 | not measured | infinite | not measured |"


@pytest.mark.parametrize("content", ['{"settings":', "[]", "{}", '{"settings": {"models": [1]}}'])
def test_a_damaged_evaluation_is_named(scored, content):
    (scored / EVALUATION).write_text(content)
    with pytest.raises(UserError, match=r"metrics.json' is no evaluation .*: evaluate again"):
        gather(Fake(scored))


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"source": {}}', '{"run": {"data": 1}}'], ids=str
)
def test_a_damaged_record_is_named(scored, content):
    (scored / FACTS_FILE).write_text(content)
    with pytest.raises(
        UserError, match=r"model.json' is no record of a network .*: get the folder"
    ):
        gather(Fake(scored))


@pytest.mark.parametrize(
    ("parent", "words"),
    [
        (None, "; 2,000 iterations."),
        ({"source": "runs/a", "iteration": 1500}, "; 2,000 iterations, after 1,500 of `runs/a`."),
        # What is no run has no iteration.
        ({"source": "ca-photos", "iteration": None}, "; 2,000 iterations, after `ca-photos`."),
    ],
)
def test_what_a_run_began_with(tmp_path, parent, words):
    network = {"name": "n", "model": "M", "parameters": 1, "sha256": "0"}
    network["mask"] = MaskMode("hole").get_config()
    facts = Facts(network, Training("animals", 10, 2000, parent), None, "as said.", ["none"])
    write_card(tmp_path, facts, "onnx", "float32", Difference(None, 0.0, 0), PRICE)
    assert f"`animals`, 10 photographs{words}" in (tmp_path / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("ca-photos", "`hole`: it sees one color in the hole, of the grey levels [127.5, "),
        ("ca-mosaic", "`mosaic`: it sees the photograph under the mask, in blocks of 12 pixels"),
    ],
)
def test_what_comes_with_the_install(tmp_path, name, sees):
    known = weights.facts(name)
    facts = gather(inpaint_tf.load(name))
    steps = left_out(inpaint_tf.load(name), "onnx")
    write_card(tmp_path, facts, "onnx", "float32", Difference(None, 0.0, 0), PRICE, steps)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert sees in card
    assert f"`{known['trained on']}`, 3,879 photographs; {known['iteration']:,} iterations." in card
    assert f"* **Licence of the weights**: {known['licence']}\n" in card
    assert "\n".join(score_lines(known["evaluation"])) in card
    assert ('scores are those "without detail"' in card) == (name == "ca-photos")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_precision_and_its_price(tmp_path, precision):
    network = {"name": "n", "model": "M", "parameters": 1, "sha256": "0"}
    network["mask"] = MaskMode("hole").get_config()
    facts = Facts(network, None, None, "as said.", ["none"])
    write_card(tmp_path, facts, "onnx", precision, Difference(None, 0.0, 0), PRICE)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert f"* **Format**: onnx, {precision}: {PRECISIONS[precision]}\n" in card
    assert "| network | 250 | 0.1 |\n| exported | 248.5 | 0.1 |\n| difference | -1.5 | +0 |" in card
    assert "of half the side in the middle. 4.00 MB." in card


def test_steps_that_an_exported_model_does_not_take():
    photos, mosaic = (inpaint_tf.load(name) for name in ("ca-photos", "ca-mosaic"))
    assert left_out(photos, "saved_model") == ["flat surroundings are not continued"]
    assert len(left_out(photos, "onnx")) == 3
    assert left_out(mosaic, "saved_model") == left_out(mosaic, "tflite") == []
    assert left_out(inpaint_tf.load("ca-photos", detail=False), "saved_model") == []
