"""What an exported model says of itself: `MODEL_CARD.md`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inpaint_tf.export.check import Difference
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.inference.provenance import provenance
from inpaint_tf.report.statistics import left_out_lines
from inpaint_tf.weights import CARD_FILE, FACTS_FILE, locate
from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError, reason_of
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
_MAX_EVALUATION = 64 << 20
_DETAIL = (
    "`inpaint-tf fill` adds detail to what this network fills; the exported model does not: its "
    'scores are those "without detail".'
)


def gather(source: str, inpainter: Inpainter) -> dict[str, Any]:
    """Return what is known of a network, of JSON types.

    Args:
        source: what `load` was given: a run, a name, an imported folder or a file.
        inpainter: what it returned.

    Returns:
        What `provenance` says, and what else there is: `run`, `imported`, and `evaluation`, or
        `evaluation of` with the digests of the files that were scored where this one was not.

    Raises:
        UserError: If the source or its evaluation is damaged.
    """
    facts = provenance(source, inpainter)
    recorded, evaluation = locate(source) / FACTS_FILE, Path(source, EVALUATION)
    if recorded.is_file():
        told = _recorded(recorded)
        # An import knows no training; what comes with the install knows what a run does.
        return {**facts, **({"imported": told["source"]} if "source" in told else told)}
    if "iteration" in facts:
        facts["run"] = RunFolder.open(Path(source)).read_manifest()
    if evaluation.is_file():
        facts |= _evaluation(evaluation, facts["sha256"])
    return facts


def _recorded(path: Path) -> dict[str, Any]:
    """Return the facts that an import, or a network of the package, has beside it."""
    try:
        return dict(strict_json.read(path))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"'{path}' cannot be read: {reason_of(error)}") from error


def _evaluation(path: Path, sha256: str) -> dict[str, Any]:
    """Return an evaluation where it scored the file of this digest, else what it scored."""
    try:
        evaluation = strict_json.read(path, _MAX_EVALUATION)
        models = evaluation["settings"].get("models", [])
        scored = sorted(model["sha256"] for model in models if "sha256" in model)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"'{path}' is no evaluation ({type(error).__name__}): evaluate again, or remove it"
        ) from error
    return {"evaluation": evaluation} if sha256 in scored else {"evaluation of": scored}


def write_card(folder: Path, facts: Mapping[str, Any], difference: Difference) -> None:
    """Write the card of a version.

    Args:
        folder: of the version.
        facts: of `gather`, with `format` and `precision`.
        difference: from the Keras model.
    """
    mask = facts["mask"]
    sees = _SEES[mask["name"]].format(**mask)
    lines = [
        f"# {facts['name']}",
        "",
        f"* **Network**: {facts['model']}, {facts['parameters']:,} weights.",
        f"* **Format**: {facts['format']}, {facts['precision']}.",
        f"* **Mask**: nonzero (or above 127) where the photograph is missing. The network was "
        f"trained on `{mask['name']}`: it sees {sees}.",
        f"* **Trained on**: {_training(facts)}",
        f"* **Licence of the weights**: {_licence(facts)}",
        f"* **Checked**: against the Keras model on probe photographs: {difference}.",
        f"* **Source**: SHA-256 `{facts['sha256']}`.",
        "",
        "## Scores",
        "",
        *score_lines(facts),
        "",
        "## Limits",
        "",
        "A network fills well what resembles its training, in size, kind of hole and subject.",
        "What it fills is invented, not restored; faces and text least of all.",
        *([_DETAIL] if facts.get("detail") else []),
        "",
    ]
    (folder / CARD_FILE).write_text("\n".join(lines), encoding="utf-8")


def _training(facts: Mapping[str, Any]) -> str:
    if "imported" in facts:
        return f"not known: imported from {facts['imported']['format']}."
    if "iteration" not in facts:
        return "not known: it was exported from a file without its run."
    run = facts["run"]
    parent = run.get("parent")
    after = f", after {parent['iteration']:,} of `{parent['source']}`" if parent else ""
    return (
        f"`{facts['trained on']}`, {run['data']['train']:,} photographs; "
        f"{facts['iteration']:,} iterations{after}."
    )


def _licence(facts: Mapping[str, Any]) -> Any:
    if "imported" in facts:
        return f"{facts['imported']['licence']}."
    return facts.get("licence", "whatever follows from the photographs that it was trained on.")


def score_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the scores of an evaluation as a Markdown table, or what to do where there is none."""
    evaluation = facts.get("evaluation")
    if "evaluation of" in facts:
        return [
            "Not scored yet: the evaluation is of another state of the network. "
            "`inpaint-tf evaluate`, then export again."
        ]
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
