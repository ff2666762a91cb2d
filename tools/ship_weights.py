"""Adds the network of a run to the package, with a name, its scores and a model card.

    python tools/ship_weights.py runs/last --name ca-photos --summary "..." --out runs/scores

Weights are rounded to float16 and compressed; the rounded network is scored. Runs that this one was
finetuned from are read from their recorded paths, relative to the current folder, unless they are
shipped networks.

`--share 0.5` averages the weights of a run with those that it started from. Adversarial training
costs MSE, and a share of it costs less (Wang et al. 2019, "Deep Network Interpolation",
arxiv.org/abs/1811.10515).
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import inpaint_tf
from inpaint_tf import weights
from inpaint_tf.exporters.card import score_lines
from inpaint_tf.exporters.price import SCORES
from inpaint_tf.model_source import ModelSource
from inpaint_tf.models import InpaintingModel
from inpaint_tf.training.finetune import weights_sha256
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.folders import atomic_path

COMPARED = 100  # rounds
LICENSE = (
    "Apache-2.0, as the program, as far as that is ours to say: the photographs belong to others."
)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--name", required=True)
@click.option("--summary", required=True, help="One line, for `inpaint-tf weights list`.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the evaluation."
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="1 ships the last weights of RUN; a smaller share, a mean with its first weights.",
)
@click.option("--detail", is_flag=True, help="Add detail (`fill --detail`).")
@click.option("--size", default=256, show_default=True, help="Side in pixels.")
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
    model = ModelSource.find(run).load_generator()
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
    """Save a network with weights rounded to float16, which halves the compressed size."""
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
    """Write `model.json` and the model card of a shipped network."""
    folder = weights.locate(name)
    facts = {**facts, "evaluation": evaluation, "detail": detail}
    (folder / weights.FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / weights.CARD_FILE).write_text(card(name, facts), encoding="utf-8")


def evaluate(name: str, size: int, out: Path, detail: bool) -> dict[str, Any]:
    """Score a network and the classical methods on center holes in Animals.

    A network that adds detail is also scored without it.
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
        method: {metric: each[metric] for metric in SCORES.values() if metric in each}
        for method, each in methods.items()
    }
    kept = {part: found[part] for part in ("dataset", "masks", "left_out")}
    return {**kept, "methods": methods}


def scores(name: str, size: int, out: Path, *options: str) -> dict[str, Any]:
    """Run `inpaint-tf evaluate` and return its metrics.json."""
    where = ("--dataset", "animals", "--image-size", str(size), "--mask", "center")
    command = [sys.executable, "-m", "inpaint_tf", "evaluate", name, *where, *options]
    subprocess.run([*command, "--out", str(out)], check=True)
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return found


def describe(run: Path, summary: str) -> dict[str, Any]:
    """Return the description of a network in model.json, without paths of this machine."""
    stages = history(run)
    config = RunFolder.open(run).read_config()
    return {
        "summary": summary,
        "trained on": config["data"]["dataset"],
        "iteration": sum(stage["iterations"] for stage in stages),
        "run": {"data": {"train": RunFolder.open(run).read_manifest()["data"]["train"]}},
        "licence": LICENSE,
        "mask mode": config["mask"]["mode"],
        "mask": config["mask"],
        "history": stages,
    }


def history(run: Path) -> list[dict[str, Any]]:
    """Return this run and the runs before it, first one first, without duplicates."""
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
    """Return the description of a run in model.json."""
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
        # tools/retrain.py compares these. Rounds that train the critics only have no `loss`.
        "first losses": {
            machine(manifest): [each.get("loss", each.get("d_total")) for each in rounds[:COMPARED]]
        },
    }


def program(path: str) -> list[str]:
    """Return the command of a program, independent of its folder."""
    name = Path(path).name
    script = name.endswith(".py") and name != "__main__.py"  # which is `python -m inpaint_tf`
    return ["python", f"scripts/{name}"] if script else ["inpaint-tf"]


def machine(manifest: dict[str, Any]) -> str:
    """Return the accelerators or processor cores of a run."""
    accelerators = manifest.get("accelerators", [])  # early runs have none
    return ", ".join(accelerators) or f"{manifest['cpu_count']} processor cores"


def hours(rounds: list[dict[str, Any]]) -> float:
    """Return the duration of a run, whose clock restarts when it is resumed."""
    times = [each["time"] for each in rounds]
    steps = (now - before for before, now in zip([0.0, *times], times, strict=False))
    return sum(step for step in steps if step > 0) / 3600


def card(name: str, facts: dict[str, Any]) -> str:
    """Return the model card."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701, Markdown of our own text
    )
    return environment.get_template("MODEL_CARD.md.j2").render(
        name=name, facts=facts, scores=score_lines(facts["evaluation"])
    )


if __name__ == "__main__":
    main()
