"""Train by several recipes for equal times, and compare what they fill.

    python scripts/compare_recipes.py --out runs/recipes [--minutes 5] [--only wide,narrow]

Begins at 64 pixels, if a recipe says no other, from fresh weights; critics come last or not at
all. Time is equal in iterations: each recipe has as many as the minutes hold of its seconds per
iteration, which were measured on a quiet machine, so that whatever else the machine does meanwhile
favours none. A run that was cut off goes on where it was. Prints a Markdown table of the animals
test split, holes in the middle.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

COMMON = {
    "data.dataset": "animals+imagenet+places2",
    "data.image_size": 64,
    "mask.same_box": "false",
    "loss.spatial_discount_gamma": 1,
    "batch_size": 32,
    "n_critic": 1,
    "precision": "auto",
    "optimizer.learning_rate": 5e-4,
    "optimizer.decay": "cosine",
    "optimizer.beta_1": 0.9,
    "optimizer.beta_2": 0.99,
    "optimizer.clip_norm": 1,
    "checkpoint_every": 100,
    "max_bad_photos": 0.01,
}
METRICS = {
    "MSE": ("mse_whole_255", 1),
    "L1": ("l1_whole_255", 2),
    "PSNR": ("psnr_whole_db", 2),
    "LPIPS": ("lpips_alex_whole", 4),
}


@dataclass(frozen=True)
class Recipe:
    """How it differs from the first one.

    Args:
        name: of its run folder.
        told: in the table.
        seconds: that an iteration takes on average (2 cores, AVX-512).
        settings: of its own.
        alone: share of the iterations without critics, which come first.
        half: further settings of the first half of the time, which is a run of its own.
        half_seconds: that an iteration takes there, if not `seconds`.
    """

    name: str
    told: str
    seconds: float
    settings: dict[str, object] = field(default_factory=dict)
    alone: float = 1.0
    half: dict[str, object] = field(default_factory=dict)
    half_seconds: float | None = None


MUON = {
    "model.width": 16,
    "batch_size": 8,
    "optimizer.name": "muon",
    "optimizer.learning_rate": 1e-3,
}
MUON_SECONDS = 0.167
MUON_SECONDS_AT_128 = 0.33
CRITICS = {
    **MUON,
    "model.critic_width": 32,
    "optimizer.critic_learning_rate": 2e-4,
    "optimizer.beta_1": 0.5,
    "optimizer.beta_2": 0.9,
    "optimizer.averaging": 0.998,
}
CRITICS_SECONDS = 0.207
CONSTANT: dict[str, object] = {"optimizer.decay": "none"}


def with_muon(
    name: str, told: str, half: dict[str, object] | None = None, **changes: object
) -> Recipe:
    """Return a recipe that differs from `muon` by what is given, with `__` for a dot."""
    settings = {key.replace("__", "."): value for key, value in changes.items()}
    return Recipe(name, told, MUON_SECONDS, {**MUON, **settings}, half=half or {})


def at_128(recipe: Recipe) -> Recipe:
    """Return a recipe at 128 pixels, with a first half, if it has one, as it was."""
    settings = {**recipe.settings, "data.image_size": 128}
    half = {"data.image_size": 64, **recipe.half} if recipe.half else {}
    return replace(
        recipe,
        seconds=MUON_SECONDS_AT_128,
        settings=settings,
        half=half,
        half_seconds=recipe.seconds,
    )


def with_critics(share: float, strength: float, gamma: float = 1) -> Recipe:
    """Return a recipe whose critics come in for the last share of its time."""
    without, against = (1 - share) / MUON_SECONDS, share / CRITICS_SECONDS
    return Recipe(
        f"critics-{share:g}-{strength:g}-{gamma:g}",
        f"critics in the last {share:.0%} of the time, weight {strength:g}, discount {gamma:g}",
        1 / (without + against),
        {**CRITICS, "loss.gan_loss_alpha": strength, "loss.spatial_discount_gamma": gamma},
        alone=without / (without + against),
    )


RECIPES = (
    Recipe("first", "width 32, batch 32, 5e-4 along a cosine", 1.24),
    Recipe("fast", "learning rate 1e-3", 1.24, {"optimizer.learning_rate": 1e-3}),
    Recipe("width-24", "width 24", 0.79, {"model.width": 24}),
    Recipe("width-16", "width 16", 0.43, {"model.width": 16}),
    Recipe("batch-16", "batch 16", 0.66, {"batch_size": 16}),
    Recipe("width-16-batch-16", "width 16, batch 16", 0.24, {"model.width": 16, "batch_size": 16}),
    Recipe("width-16-batch-8", "width 16, batch 8", 0.15, {"model.width": 16, "batch_size": 8}),
    with_muon("muon", "width 16, batch 8, Muon at 1e-3"),
    with_muon("muon-again", "Muon at 1e-3, another seed", seed=1),
    with_muon("muon-slow", "Muon at 5e-4", optimizer__learning_rate=5e-4),
    with_muon("muon-fast", "Muon at 2e-3", optimizer__learning_rate=2e-3),
    with_muon("muon-constant", "learning rate constant", optimizer__decay="none"),
    with_muon("muon-unclipped", "gradients not clipped", optimizer__clip_norm="null"),
    with_muon("muon-discounted", "discounted by 0.9", loss__spatial_discount_gamma=0.9),
    with_muon(
        "muon-discounted-again",
        "discounted by 0.9, another seed",
        loss__spatial_discount_gamma=0.9,
        seed=1,
    ),
    with_muon(
        "coarse-first",
        "first half: the coarse network alone, rate constant",
        {"loss.refined_l1_alpha": 0, **CONSTANT},
        loss__refined_l1_alpha=1,
    ),
    with_muon("joint-first", "first half: rate constant", CONSTANT),
    at_128(with_muon("128", "128 pixels throughout")),
    at_128(with_muon("64-then-128", "128 pixels; first half: 64, rate constant", CONSTANT)),
    with_critics(0.25, 1e-3),
    with_critics(0.5, 1e-3),
    with_critics(0.5, 4e-3),
    with_critics(0.5, 1.6e-2),
    with_critics(1, 4e-3),
    with_critics(0.5, 1e-3, 0.9),
    with_critics(0.5, 4e-3, 0.9),
    Recipe(
        "hole-alone",
        "width 16, batch 16, a tenth of the weight on what is known",
        0.24,
        {"model.width": 16, "batch_size": 16, "loss.ae_loss_alpha": 0.12},
    ),
    Recipe("constant", "learning rate constant", 1.24, {"optimizer.decay": "none"}),
    Recipe("paper-beta", "beta_1 0.5, as the paper", 1.24, {"optimizer.beta_1": 0.5}),
    Recipe("unclipped", "gradients not clipped", 1.24, {"optimizer.clip_norm": "null"}),
    Recipe("discounted", "loss discounted by 0.9", 1.24, {"loss.spatial_discount_gamma": 0.9}),
)


def main() -> None:
    """Train what is not trained yet, then compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", help="names, with commas between them")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else [each.name for each in RECIPES]
    recipes = [each for each in RECIPES if each.name in names]
    if unknown := set(names) - {each.name for each in recipes}:
        known = ", ".join(each.name for each in RECIPES)
        parser.error(f"no recipe is called {', '.join(sorted(unknown))}; there are {known}")
    for recipe in recipes:
        train(recipe, arguments.minutes, arguments.out / recipe.name)
    for size in sorted({size_of(each) for each in recipes}):
        alike = [each for each in recipes if size_of(each) == size]
        show(alike, arguments.minutes, size, arguments.out)


def size_of(recipe: Recipe) -> int:
    """Return how many pixels a side a recipe's photographs have."""
    return int(str({**COMMON, **recipe.settings}["data.image_size"]))


def iterations(recipe: Recipe, minutes: float) -> int:
    """Return how many iterations of a recipe these minutes hold, those of its first half too."""
    if not recipe.half:
        return round(60 * minutes / recipe.seconds)
    halves = replace(recipe, half={}), first_half(recipe)
    return sum(iterations(each, minutes / 2) for each in halves)


def first_half(recipe: Recipe) -> Recipe:
    """Return what the first half of a recipe is by itself."""
    settings, seconds = {**recipe.settings, **recipe.half}, recipe.half_seconds or recipe.seconds
    return replace(recipe, settings=settings, seconds=seconds, half={})


def train(recipe: Recipe, minutes: float, run: Path) -> None:
    """Train a run to its end, from where it is; nothing where it is there."""
    begin = ["train"]
    if recipe.half:
        minutes /= 2
        parent = run.with_name(f"{run.name}-half")
        train(first_half(recipe), minutes, parent)
        begin = ["finetune", str(parent), "--generator-only"]
        recipe = replace(recipe, half={})
    count = iterations(recipe, minutes)
    alone = round(recipe.alone * count)
    own = {"iterations": count, "phases.completion": alone, "preview_every": count}
    settings = {**COMMON, **own, **recipe.settings}
    chosen = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    resumed = ["train", "--resume"]
    call(*(resumed if run.is_dir() else [*begin, *chosen]), "--run-dir", str(run))


def show(recipes: list[Recipe], minutes: float, size: int, out: Path) -> None:
    """Print how well the runs fill."""
    runs = [str(out / recipe.name) for recipe in recipes]
    where = ("--dataset", "animals", "--image-size", str(size), "--mask", "center")
    scores = out / f"evaluation-{size}"
    call("evaluate", *runs, *where, "--out", str(scores))
    methods = json.loads((scores / "metrics.json").read_text())["methods"]
    told = {each.name: (each.told, iterations(each, minutes)) for each in recipes}
    print(f"| recipe | iterations | {' | '.join(METRICS)} |")
    print("|---|---" + "|---" * len(METRICS) + "|")
    for name, metrics in methods.items():
        words, count = told.get(name, (name, ""))
        row = (number(metrics.get(each), digits) for each, digits in METRICS.values())
        print(f"| {words} | {count} | " + " | ".join(row) + " |")


def number(summary: dict[str, Any] | None, digits: int) -> str:
    """Return a mean, or nothing where `evaluate` found none and said why."""
    mean = summary and summary["mean"]
    return "" if mean is None else f"{mean:.{digits}f}"


def call(*arguments: str) -> None:
    """Run the command line; stop if it fails."""
    subprocess.run([sys.executable, "-m", "inpaint_tf", *arguments], check=True)


if __name__ == "__main__":
    main()
