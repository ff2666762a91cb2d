"""What an exported model says of itself: `MODEL_CARD.md`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaint_tf.export.check import Difference
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.inference.provenance import provenance
from inpaint_tf.report.statistics import left_out_lines
from inpaint_tf.weights import CARD_FILE, FACTS_FILE, locate
from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder

EVALUATION = Path("evaluation") / "metrics.json"
METRICS = {
    "MSE": "mse_whole_255",
    "L1": "l1_whole_255",
    "PSNR": "psnr_whole_db",
    "LPIPS": "lpips_alex_whole",
}
_SEES = {
    "hole": "one color in the hole, of the grey levels {color}",
    "mosaic": "the photograph under the mask, in blocks of {unit} pixels: give it the photograph "
    "as it is. It restores detail, and removes no object",
}
_MAX_JSON = 64 << 20  # bytes; an evaluation has every score of every photograph
LICENCE = "whatever follows from the photographs that it was trained on."
_SCORED_ANOTHER = (
    "Not scored yet: the evaluation is of another state of the network. "
    "`inpaint-tf evaluate`, then export again."
)


@dataclass(frozen=True)
class Training:
    """How a network was trained.

    Attributes:
        dataset: on whose training photographs.
        photographs: how many they were.
        iterations: of all its runs, if it comes with the install; else of this run.
        parent: what the run's manifest says of what it began with, if it began with something.
    """

    dataset: str
    photographs: int
    iterations: int
    parent: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of a network.

    Attributes:
        network: what `provenance` says of it.
        training: None where it is not known.
        imported: the format that it was imported from, None if it was not.
        licence: of the weights, as a sentence.
        scores: lines of Markdown.
    """

    network: Mapping[str, Any]
    training: Training | None
    imported: str | None
    licence: str
    scores: Sequence[str]


def gather(source: str, inpainter: Inpainter) -> Facts:
    """Return what is known of a network.

    Args:
        source: what `load` was given: a run, a name, an imported folder or a file.
        inpainter: what it returned.

    Raises:
        UserError: If the source, or what is recorded beside it, is damaged.
    """
    network = provenance(source, inpainter)
    recorded = locate(source) / FACTS_FILE
    if recorded.is_file():
        with _read_as(recorded, "no record of a network", "get the folder again") as record:
            return _recorded(network, record)
    training = None
    if "iteration" in network:
        manifest = RunFolder.open(Path(source)).read_manifest()
        photographs, parent = manifest["data"]["train"], manifest.get("parent")
        training = Training(network["trained on"], photographs, network["iteration"], parent)
    return Facts(network, training, None, LICENCE, _scores(Path(source), network["sha256"]))


def _recorded(network: Mapping[str, Any], record: Mapping[str, Any]) -> Facts:
    """Return what a `model.json` says: of an import, or of what comes with the install.

    Both have keys that `provenance` has, and that mean something else there.
    """
    if "source" in record:
        told = record["source"]
        return Facts(network, None, told["format"], f"{told['licence']}.", score_lines(None))
    photographs = record["run"]["data"]["train"]
    training = Training(record["trained on"], photographs, record["iteration"])
    return Facts(network, training, None, record["licence"], score_lines(record["evaluation"]))


def _scores(folder: Path, sha256: str) -> list[str]:
    """Return the scores that a folder has of the file of this digest."""
    path = folder / EVALUATION
    if not path.is_file():
        return score_lines(None)
    with _read_as(path, "no evaluation", "evaluate again, or remove it") as evaluation:
        models = evaluation["settings"].get("models", [])
        scored = [model.get("sha256") for model in models]
        return score_lines(evaluation) if sha256 in scored else [_SCORED_ANOTHER]


@contextlib.contextmanager
def _read_as(path: Path, wrong: str, way_out: str) -> Iterator[dict[str, Any]]:
    """Yield what is in a JSON file; refuse one that lacks what is looked for in it."""
    try:
        yield strict_json.read(path, _MAX_JSON)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"'{path}' is {wrong} ({type(error).__name__}): {way_out}") from error


def write_card(
    folder: Path,
    facts: Facts,
    file_format: str,
    precision: str,
    difference: Difference,
    left_out: Sequence[str] = (),
) -> None:
    """Write the card of a version.

    Args:
        folder: of the version.
        facts: of `gather`.
        file_format: of `export`.
        precision: of `export`.
        difference: from `fill`.
        left_out: steps of `fill` that the exported model does not take.
    """
    network, mask = facts.network, facts.network["mask"]
    sees = _SEES[mask["name"]].format(**mask)
    lines = [
        f"# {network['name']}",
        "",
        f"* **Network**: {network['model']}, {network['parameters']:,} weights.",
        f"* **Format**: {file_format}, {precision}.",
        f"* **Mask**: nonzero (or above 127) where the photograph is missing. The network was "
        f"trained on `{mask['name']}`: it sees {sees}.",
        f"* **Trained on**: {_training(facts)}",
        f"* **Licence of the weights**: {facts.licence}",
        f"* **Checked**: against `inpaint-tf fill` on probe photographs: {difference}.",
        f"* **Source**: SHA-256 `{network['sha256']}`.",
        "",
        "## Scores",
        "",
        *facts.scores,
        "",
        "## Limits",
        "",
        "A network fills well what resembles its training, in size, kind of hole and subject.",
        "What it fills is invented, not restored; faces and text least of all.",
        *(f"Unlike with `inpaint-tf fill`, {step}." for step in left_out),
        "",
    ]
    (folder / CARD_FILE).write_text("\n".join(lines), encoding="utf-8")


def _training(facts: Facts) -> str:
    if facts.imported:
        return f"not known: imported from {facts.imported}."
    training = facts.training
    if training is None:
        return "not known: it was exported from a file without its run."
    return (
        f"`{training.dataset}`, {training.photographs:,} photographs; "
        f"{training.iterations:,} iterations{_after(training.parent)}."
    )


def _after(parent: Mapping[str, Any] | None) -> str:
    """Say what a run began with; of what is no run the iterations are not known."""
    if not parent:
        return ""
    iterations = "" if parent["iteration"] is None else f"{parent['iteration']:,} of "
    return f", after {iterations}`{parent['source']}`"


def score_lines(evaluation: Mapping[str, Any] | None) -> list[str]:
    """Return the scores of an evaluation as a Markdown table, or what to do where there is none."""
    if evaluation is None:
        return ["Not scored yet: `inpaint-tf evaluate`, then export again."]
    data, dataset = evaluation["methods"], evaluation["dataset"]
    size = dataset["image_size"]
    titles = {metric: title for title, metric in METRICS.items()}
    lines = [
        f"{dataset['photographs']} test photographs of {dataset['name']}, {size}x{size} pixels; "
        "in brackets 95 % bootstrap intervals.",
        *left_out_lines(evaluation.get("left_out", {}), titles, dataset["photographs"]),
        "",
        f"| | {' | '.join(METRICS)} |",
        f"|---|{'---|' * len(METRICS)}",
    ]
    for name, metrics in data.items():
        cells = [_cell(metrics.get(metric)) for metric in METRICS.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cell(score: Mapping[str, Any] | None) -> str:
    if not score:
        return "not measured"
    if score.get("mean") is None:
        if score.get("failed"):
            return f"failed on {score['failed']}"
        return "infinite" if score["infinite"] == score["n"] else "none left"
    low, high = score.get("low"), score.get("high")
    interval = "" if low is None else f" [{low:.4g}, {high:.4g}]"
    return f"{score['mean']:.4g}{interval}"
