"""The model card of an export, `MODEL_CARD.md`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from inpaint_tf.exporters.check import Difference
from inpaint_tf.exporters.price import SCORES, Price
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.report.statistics import left_out_lines
from inpaint_tf.weights import CARD_FILE
from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError

EVALUATION = Path("evaluation") / "metrics.json"
_MAX_JSON = 64 << 20  # bytes; an evaluation has every score of every photograph
LICENCE = "whatever follows from the photographs that it was trained on."
# What a precision means, for whoever takes the file.
PRECISIONS = {
    "float32": "weights of 4 bytes; computes in float32.",
    "bfloat16": "weights of 4 bytes; computes in bfloat16, which is faster where the processor has "
    "it, and less exact.",
    "float16": "weights of 2 bytes, half of the file; computes in float32, as fast as float32.",
    "int8": "kernels of 1 byte with a scale for each output channel, about a quarter of the file; "
    "computes in float32, up to a tenth slower than float32.",
}
_SCORED_ANOTHER = (
    "Not scored yet: the evaluation is of another state of the network. "
    "`inpaint-tf evaluate`, then export again."
)


@dataclass(frozen=True)
class Training:
    """How a network was trained.

    Attributes:
        dataset: name of the data set.
        photographs: number of its training photographs.
        iterations: of this run; for a preset, of all its runs.
        parent: the entry of the run's manifest about what it was finetuned from, if it was.
    """

    dataset: str
    photographs: int
    iterations: int
    parent: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Facts:
    """The contents of a model card.

    Attributes:
        network: the inpainter's `provenance`.
        training: None if unknown.
        imported: the format that the network was imported from; None if it was not imported.
        licence: license of the weights, as a sentence.
        scores: lines of Markdown.
    """

    network: Mapping[str, Any]
    training: Training | None
    imported: str | None
    licence: str
    scores: Sequence[str]


def gather(inpainter: Inpainter) -> Facts:
    """Collect the contents of a model card.

    Args:
        inpainter: as `inpaint_tf.load` returns it.

    Raises:
        UserError: If the inpainter was not loaded from a file, or a file beside it is damaged.
    """
    source, training = inpainter.source, None
    if source is None:
        raise UserError(f"'{inpainter.name}' was not loaded from a file: nothing is known of it.")
    network = inpainter.provenance()
    if source.facts_file:
        with _read_as(source.facts_file, "no record of a network", "get the folder again") as facts:
            return _recorded(network, facts)
    if source.run:
        manifest = source.run.read_manifest()
        photographs, parent = manifest["data"]["train"], manifest.get("parent")
        training = Training(network["trained on"], photographs, network["iteration"], parent)
    return Facts(network, training, None, LICENCE, _scores(source.path, network["sha256"]))


def _recorded(network: Mapping[str, Any], record: Mapping[str, Any]) -> Facts:
    """Return the facts in the `model.json` of an import or of a preset.

    Both have keys of `provenance` with another meaning.
    """
    if "source" in record:
        source = record["source"]
        return Facts(network, None, source["format"], f"{source['licence']}.", score_lines(None))
    photographs = record["run"]["data"]["train"]
    training = Training(record["trained on"], photographs, record["iteration"])
    return Facts(network, training, None, record["licence"], score_lines(record["evaluation"]))


def _scores(folder: Path, sha256: str) -> list[str]:
    """Return the scores in a folder, if they are those of the file with this digest."""
    path = folder / EVALUATION
    if not path.is_file():
        return score_lines(None)
    with _read_as(path, "no evaluation", "evaluate again, or remove it") as evaluation:
        scored = [model.get("sha256") for model in evaluation["settings"].get("models", [])]
        return score_lines(evaluation) if sha256 in scored else [_SCORED_ANOTHER]


@contextlib.contextmanager
def _read_as(path: Path, wrong: str, way_out: str) -> Iterator[dict[str, Any]]:
    """Yield the contents of a JSON file; turn a missing or wrong key in the block into an error."""
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
    price: Price,
    left_out: Sequence[str] = (),
) -> None:
    """Write the model card of a version, from `MODEL_CARD.md.j2`.

    Args:
        folder: of the version.
        facts: of `gather`.
        file_format: as for `export_model`.
        precision: as for `export_model`.
        difference: from `fill`.
        price: of the format and the precision, in scores.
        left_out: steps of `fill` that the exported model does not take.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701, this is Markdown
    )
    card = environment.get_template("MODEL_CARD.md.j2").render(
        facts=facts,
        file_format=file_format,
        precision=precision,
        meaning=PRECISIONS[precision],
        difference=difference,
        price=price,
        left_out=left_out,
    )
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def score_lines(evaluation: Mapping[str, Any] | None) -> list[str]:
    """Return the scores of an evaluation as a Markdown table, or how to get some."""
    if evaluation is None:
        return ["Not scored yet: `inpaint-tf evaluate`, then export again."]
    data, dataset = evaluation["methods"], evaluation["dataset"]
    size = dataset["image_size"]
    titles = {metric: title for title, metric in SCORES.items()}
    lines = [
        f"{dataset['photographs']} test photographs of {dataset['name']}, {size}x{size} pixels; "
        "in brackets 95 % bootstrap intervals.",
        *left_out_lines(evaluation.get("left_out", {}), titles, dataset["photographs"]),
        "",
        f"| | {' | '.join(SCORES)} |",
        f"|---|{'---|' * len(SCORES)}",
    ]
    for name, metrics in data.items():
        cells = [_cell(metrics.get(metric)) for metric in SCORES.values()]
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
