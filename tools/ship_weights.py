"""Put a run's network into the package, under a name, with its scores and its model card.

    python tools/ship_weights.py runs/last --name ca-photos --summary "..." --out runs/scores

Weights are rounded to float16 and compressed; what is scored is the rounded network. The runs that
this one was finetuned from are looked for where their names say, from the folder that this is
called in; or it was finetuned from a network that came with the install.

A run against critics may be taken at a share of its way: with `--share 0.5`, weights are the mean
of the run's and of those it began with. What critics teach costs MSE, and at a share costs less of
it (Wang et al. 2019, "Deep Network Interpolation", arxiv.org/abs/1811.10515).
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

import inpaint_tf
from inpaint_tf import weights
from inpaint_tf.export.card import METRICS, score_lines
from inpaint_tf.inference.loading import load_generator
from inpaint_tf.models import InpaintingModel
from inpaint_tf.training.finetune import weights_sha256
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.images import atomic_path

COMPARED = 100  # rounds
FAILURES = "../../../docs/results/images/{name}-failures.png"
LICENCE = (
    "Apache-2.0, as the program, as far as that is ours to say: the photographs belong to others."
)
SEEN = {
    "hole": "Objects, scratches and lettering that are to go. It does not see what is under the "
    "mask.",
    "mosaic": "Comparisons with the paper's: it makes a mosaic of what is under the mask, in "
    "blocks of {mosaic_unit_size} pixels, {sampled}, and restores the detail. It removes no "
    "object. A photograph that has a mosaic already is pixelated once more, which costs detail.",
}
DETAIL = (
    "* **Detail**: what the network fills is smoother than a photograph; `fill` adds the fine",
    "  structure of places that look alike. `--no-detail` leaves it out.",
)
SAMPLED = {
    "nearest": "each in the color of the pixel in its upper left corner, as the paper's code does",
    "bilinear": "smoothed, as the paper's text says",
}


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--name", required=True)
@click.option("--summary", required=True, help="One line, for `inpaint-tf weights list`.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Of the evaluation.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Of the way from the weights that RUN began with to its last ones.",
)
@click.option("--detail", is_flag=True, help="Let it fill with detail (`fill --detail`).")
@click.option("--size", default=256, show_default=True, help="Pixels a side, of the evaluation.")
def main(
    run: Path, name: str, summary: str, out: Path, share: float, detail: bool, size: int
) -> None:
    """Write, score and describe the network NAME of RUN."""
    folder = Path(weights.__file__).parent / name
    folder.mkdir(exist_ok=True)
    write_rounded(part_of_the_way(run, share), folder / weights.GENERATOR_FILE)
    record(
        name, {**describe(run, summary), "share": share}, evaluate(name, size, out, detail), detail
    )
    for file in sorted(folder.iterdir()):
        click.echo(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")


def part_of_the_way(run: Path, share: float) -> InpaintingModel:
    """Return a run's newest network, with weights between its own and those it began with."""
    model = load_generator(RunFolder.open(run))
    if share < 1:
        parent = RunFolder.open(run).read_manifest().get("parent")
        if not parent:
            raise click.ClickException(f"'{run}' began with random weights: leave --share out.")
        first = inpaint_tf.load(parent["source"]).model
        if weights_sha256(first) != parent["generator_sha256"]:
            raise click.ClickException(f"'{parent['source']}' is not what '{run}' began with.")
        if first.count_params() != model.count_params():
            raise click.ClickException(f"'{run}' is wider than it began: leave --share out.")
        pairs = zip(first.get_weights(), model.get_weights(), strict=True)
        model.set_weights([begin + share * (end - begin) for begin, end in pairs])
    return model


def write_rounded(model: InpaintingModel, file: Path) -> None:
    """Save a network with the weights that float16 has, which deflate to half."""
    model.set_weights([each.astype("float16").astype("float32") for each in model.get_weights()])
    if not all(np.isfinite(each).all() for each in model.get_weights()):
        raise click.ClickException("A weight is too large for float16.")
    with atomic_path(file) as temporary, TemporaryDirectory() as scratch:
        plain = Path(scratch, file.name)
        model.save(plain)
        with (
            zipfile.ZipFile(plain) as source,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
        ):
            for part in source.infolist():
                target.writestr(part.filename, source.read(part))


def record(name: str, facts: dict[str, Any], evaluation: dict[str, Any], detail: bool) -> None:
    """Write what is known of a network that comes with the install, and its card."""
    folder = weights.locate(name)
    facts = {**facts, "evaluation": evaluation, "detail": detail}
    (folder / weights.FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / weights.CARD_FILE).write_text(card(name, facts), encoding="utf-8")


def evaluate(name: str, size: int, out: Path, detail: bool) -> dict[str, Any]:
    """Score a network beside the classical methods, squares in the middle of Animals.

    One that fills with detail is scored without it, too.
    """
    found = scores(name, size, out, "--detail" if detail else "--no-detail")
    methods = found["methods"]
    if detail:
        alone = scores(name, size, out / "without-detail", "--no-detail", "--no-baselines")
        if alone["left_out"] != found["left_out"]:
            raise click.ClickException(
                f"The means in '{out}' are over other photographs with detail and without."
            )
        methods[f"{name}, without detail"] = alone["methods"][name]
    methods = {
        method: {metric: each[metric] for metric in METRICS.values() if metric in each}
        for method, each in methods.items()
    }
    kept = {part: found[part] for part in ("dataset", "masks", "left_out")}
    return {**kept, "methods": methods}


def scores(name: str, size: int, out: Path, *options: str) -> dict[str, Any]:
    """Return what `inpaint-tf evaluate` finds."""
    where = ("--dataset", "animals", "--image-size", str(size), "--mask", "center")
    command = [sys.executable, "-m", "inpaint_tf", "evaluate", name, *where, *options]
    subprocess.run([*command, "--out", str(out)], check=True)
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return found


def describe(run: Path, summary: str) -> dict[str, Any]:
    """Return what the package knows of a network: JSON types, no paths of this machine."""
    stages = history(run)
    config = RunFolder.open(run).read_config()
    return {
        "summary": summary,
        "trained on": config["data"]["dataset"],
        "iteration": sum(stage["iterations"] for stage in stages),
        "run": {"data": {"train": RunFolder.open(run).read_manifest()["data"]["train"]}},
        "licence": LICENCE,
        "mask mode": config["mask"]["mode"],
        "mask": config["mask"],
        "history": stages,
    }


def history(run: Path) -> list[dict[str, Any]]:
    """Return the runs that led to this one, and this one: the first one first, each once."""
    parent = RunFolder.open(run).read_manifest().get("parent") or {}
    found = []
    for source in (parent.get("source"), parent.get("critics_source")):
        if source in weights.names():
            facts = weights.facts(source)
            *before, last = facts["history"]
            found += [*before, {**last, "share": facts["share"]}]
        elif source:
            found += history(Path(source))
    found.append(stage(run))
    return [each for place, each in enumerate(found) if each not in found[:place]]


def stage(run: Path) -> dict[str, Any]:
    """Return what a run was, as the package records it."""
    folder = RunFolder.open(run)
    manifest, config = folder.read_manifest(), folder.read_config()
    lines = folder.scalars.read_text(encoding="utf-8").splitlines()
    rounds = [json.loads(line) for line in lines]
    return {
        "name": run.name,
        "command": [*program(manifest["command"][0]), *manifest["command"][1:]],
        "size": config["data"]["image_size"],
        "batch": config["batch_size"],
        "iterations": rounds[-1]["iteration"],
        "hours": round(hours(rounds), 2),
        "seed": manifest["seed"],
        "machine": machine(manifest),
        "versions": manifest["versions"],
        # By which tools/retrain.py knows whether a training is the same.
        # Rounds in which critics learn alone have only theirs.
        "first losses": {
            machine(manifest): [each.get("loss", each.get("d_total")) for each in rounds[:COMPARED]]
        },
    }


def program(path: str) -> list[str]:
    """Return how a program is called, wherever it lay."""
    name = Path(path).name
    return ["python", f"scripts/{name}"] if name.endswith(".py") else ["inpaint-tf"]


def machine(manifest: dict[str, Any]) -> str:
    """Say where a run computed."""
    accelerators = manifest.get("accelerators", [])  # runs of before had none
    return ", ".join(accelerators) or f"{manifest['cpu_count']} processor cores"


def hours(rounds: list[dict[str, Any]]) -> float:
    """Return how long a run took: the clock of a run that was resumed begins anew."""
    times = [each["time"] for each in rounds]
    steps = (now - before for before, now in zip([0.0, *times], times, strict=False))
    return sum(step for step in steps if step > 0) / 3600


def seen(mask: dict[str, Any]) -> str:
    """Say what a network is for, by what it is shown."""
    sampled = SAMPLED[mask["mosaic_interpolation"]]
    return SEEN[mask["mode"]].format(**mask, sampled=sampled)


def holes(mask: dict[str, Any]) -> str:
    """Say what the holes of the last run were."""
    squares = "squares of 3/8 to 1/2 of the side"
    brush = mask.get("brush", 0)  # runs of before had none
    return f"{squares}, {brush:.0%} of them as brush strokes" if brush else squares


def origin(share: float) -> str:
    """Say which weights of the last run they are."""
    if share == 1:
        return "those of the last run's end"
    return f"{share:.0%} of the way from the last run's beginning to its end"


def part(stage: dict[str, Any]) -> str:
    """Say how much of a run the next one began with."""
    share = stage.get("share", 1)
    return f", {share:.0%} of its way" if share < 1 else ""


def card(name: str, facts: dict[str, Any]) -> str:
    """Return the model card."""
    stages = facts["history"]
    total = sum(stage["hours"] for stage in stages)
    machines = dict.fromkeys(stage["machine"] for stage in stages)
    lines = [
        f"# {name}",
        "",
        f"{facts['summary']}",
        "",
        f"* **Data**: the training splits of `{facts['trained on']}`, "
        f"{facts['run']['data']['train']:,} photographs.",
        f"* **Training**: {facts['iteration']:,} iterations, {total:.1f} hours ("
        f"{', then '.join(machines)}), seed {stages[-1]['seed']}.",
        f"* **Weights**: {origin(facts['share'])}, rounded to float16; scored so. Licence: "
        f"{facts['licence']}",
        *(DETAIL if facts.get("detail") else ()),
        "",
        "## Scores",
        "",
        *score_lines(facts["evaluation"]),
        "",
        "One training, one seed: the intervals are those of drawing the photographs.",
        "",
        "## What it is for",
        "",
        *textwrap.wrap(seen(facts["mask"]), 95),
        f"It was trained on {holes(facts['mask'])}; photographs of animals, things and",
        "landscapes; pictures of up to 256 pixels. Larger holes come out smooth.",
        "",
        "What it fills is invented. It must not be taken for what was there. There is no warranty",
        "for faces, text, medical or legal pictures: it has hardly seen any, and nobody looked.",
        "",
        "## Where it fails",
        "",
        "Worst by the MSE in the hole, of 50 crops of scikit-image's photographs, 256x256 pixels:",
        "",
        f"![The worst four]({FAILURES.format(name=name)})",
        "",
        "```bash",
        f"inpaint-tf evaluate {name} --dataset samples --image-size 256 --out scores",
        f"inpaint-tf report figures worst {name} --evaluation scores --out failures.png",
        "```",
        "",
        "## Recipe",
        "",
        "| run | side | batch | iterations | hours | machine |",
        "|---|--:|--:|--:|--:|---|",
        *(
            f"| {stage['name']}{part(stage)} | {stage['size']} | {stage['batch']} | "
            f"{stage['iterations']:,} | {stage['hours']:.2f} | {stage['machine']} |"
            for stage in stages
        ),
        "",
        "A command that goes on from a network of the package had that of the row above it.",
        "",
        "<!-- not run in tests: the training, on data sets that are not here -->",
        "```bash",
        *(" ".join(stage["command"]) for stage in stages),
        "```",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
