"""The options that `train` and `finetune` share, and how a run is carried out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from inpaint_tf.cli._echo import echo

if TYPE_CHECKING:
    from inpaint_tf.training.config import TrainConfig
    from neuralgym_lite.experiment import RunFolder

STOPPED_BY_SIGNAL = 75
Command = TypeVar("Command", bound=Callable[..., Any])

# Option name to dotted key of the settings.
_KEYS = {
    "dataset": "data.dataset",
    "data_dir": "data.dir",
    "subset": "data.subset",
    "image_size": "data.image_size",
    "mask": "mask.mode",
    "model": "model.name",
    "width": "model.width",
}
_OPTIONS = (
    click.option(
        "--dataset",
        help="`inpaint-tf data list` shows them; a+b trains on both.  [default: animals]",
    ),
    click.option("--data-dir", help="Folder of the photographs."),
    click.option("--subset", type=int, help="Train on so many photographs, of all classes alike."),
    click.option("--mask", help="hole, mosaic, hole_ns or hole_telea.  [default: hole]"),
    click.option(
        "--model",
        help="ca, stable-glcic, glcic, context-encoder or autoencoder.  [default: ca]",
    ),
    click.option("--config", "config_file", type=click.Path(), help="YAML file with settings."),
    click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Any other setting."
    ),
    click.option("--iterations", type=int, help="In all.  [default for ca: 150000]"),
    click.option("--batch-size", type=int, help="Photographs in one.  [default for ca: 64]"),
    click.option("--image-size", type=int, help="Side in pixels.  [default for ca: 256]"),
    click.option("--width", type=int, help="First channels.  [default for ca: 32]"),
    click.option("--precision", help="auto, float32 or mixed_bfloat16.  [default: auto]"),
    click.option("--strategy", help="auto, single, mirrored or multiworker.  [default: auto]"),
    click.option(
        "--backend",
        help="tensorflow or jax.  [default: KERAS_BACKEND; else the one that sees a GPU]",
    ),
    click.option("--seed", type=int, help="Of every random number.  [default: 0]"),
    click.option(
        "--run-dir", type=click.Path(path_type=Path), help="[default: runs/MODEL-DATASET-MASK]"
    ),
    click.option("--overwrite", is_flag=True, help="Clear an earlier run from the run folder."),
)


def with_settings(command: Command) -> Command:
    """Give a command the options of a run."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def as_flags(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options under the dotted keys of the settings."""
    return {_KEYS.get(name, name): value for name, value in options.items()}


def run_folder(config: TrainConfig) -> Path:
    """Return the folder of a run that was given none."""
    return Path("runs", f"{config.model.name}-{config.data.dataset}-{config.mask.mode}")


def carry_out(run: RunFolder, config: TrainConfig, force: bool = False) -> None:
    """Train to the end, print the folder; exit with 75 if a signal stopped it."""
    from inpaint_tf.training.session import train
    from neuralgym_lite.progress import Progress

    with Progress() as progress:
        progress.log(f"Run folder: {run.path}")
        done = train(run, config, progress, force)
    echo(str(run.path))
    if not done:
        sys.exit(STOPPED_BY_SIGNAL)
