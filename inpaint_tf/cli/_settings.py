"""The options that `train` and `finetune` share, and how they end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from inpaint_tf.cli._echo import echo

if TYPE_CHECKING:
    from inpaint_tf.api import TrainedRun

STOPPED_BY_SIGNAL = 75
Command = TypeVar("Command", bound=Callable[..., Any])

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


def report(run: TrainedRun) -> None:
    """Print the folder of a run; exit with 75 if a signal stopped it."""
    echo(str(run.run_dir))
    if not run.finished:
        sys.exit(STOPPED_BY_SIGNAL)
