"""The options that `train`, `finetune` and `config` share, and how a run is carried out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from inpaint_tf.cli._echo import echo
from neuralgym_lite.errors import UserError
from neuralgym_lite.quiet import import_tensorflow

if TYPE_CHECKING:
    from inpaint_tf.training.config import TrainConfig
    from neuralgym_lite.experiment import RunFolder

STOPPED_BY_SIGNAL = 75
Command = TypeVar("Command", bound=Callable[..., Any])

# Option names and the keys of the settings that they set.
_KEYS = {
    "dataset": "data.dataset",
    "data_dir": "data.dir",
    "subset": "data.subset",
    "image_size": "data.image_size",
    "mask": "mask.mode",
    "model": "model.name",
    "width": "model.width",
}
_SHORT_NAMES = {"lr": "learning_rate", "critic_lr": "critic_learning_rate"}
_OPTIONS = (
    click.option(
        "--dataset",
        help="`inpaint-tf data list` shows them; a+b trains on both.  [default: animals]",
    ),
    click.option("--data-dir", help="Folder of the photographs."),
    click.option(
        "--subset", metavar="N", type=int, help="Train on N photographs, evenly of all classes."
    ),
    click.option("--mask", help="hole, mosaic, hole_ns or hole_telea.  [default: hole]"),
    click.option(
        "--model",
        help="ca, stable-glcic, glcic, context-encoder or autoencoder.  [default: ca]",
    ),
    click.option(
        "--config",
        "config_file",
        metavar="FILE_OR_NAME",
        help="YAML file with settings, or a name of `inpaint-tf config --list`.",
    ),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any other setting; `inpaint-tf config` prints them.",
    ),
    click.option("--iterations", type=int, help="Length of the run.  [default for ca: 150000]"),
    click.option("--batch-size", type=int, help="Photographs in a batch.  [default for ca: 64]"),
    click.option(
        "--image-size", type=int, help="Side of an image in pixels.  [default for ca: 256]"
    ),
    click.option("--width", type=int, help="Channels of the first layer.  [default for ca: 32]"),
    click.option("--precision", help="auto, float32 or mixed_bfloat16.  [default: auto]"),
    click.option("--strategy", help="auto, single, mirrored or multiworker.  [default: auto]"),
    click.option("--seed", type=int, help="Seed of every random number.  [default: 0]"),
)
_RUN_OPTIONS = (
    click.option(
        "--run-dir", type=click.Path(path_type=Path), help="[default: runs/MODEL-DATASET-MASK]"
    ),
    click.option("--overwrite", is_flag=True, help="Clear an earlier run from the run folder."),
)


class SettingsCommand(click.Command):
    """A command that answers an option which is the name of a setting with its key."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options.

        Raises:
            UserError: if an unknown option is the name of a setting.
        """
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if keys := _keys_of_option(error.option_name):
                usage = " or ".join(f"--set {key}=..." for key in keys)
                raise UserError(f"Unknown option {error.option_name}: use {usage}") from None
            raise


def _keys_of_option(option: str) -> list[str]:
    """Return the keys of the settings that an option names, of any model."""
    import_tensorflow()
    from inpaint_tf.training.config import MODEL_CONFIGS
    from neuralgym_lite.config import key_paths

    name = option.lstrip("-").replace("-", "_")
    name = _SHORT_NAMES.get(name, name)
    found = [key for kind in MODEL_CONFIGS.values() for key in key_paths(kind, name)]
    return list(dict.fromkeys(found))


def with_settings(command: Command) -> Command:
    """Add the options of the settings to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def with_run_folder(command: Command) -> Command:
    """Add the options of the run folder to a command."""
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command


def as_flags(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options under the dotted keys of the settings."""
    return {_KEYS.get(name, name): value for name, value in options.items()}


def run_folder(config: TrainConfig) -> Path:
    """Return the default folder of a run."""
    return Path("runs", f"{config.model.name}-{config.data.dataset}-{config.mask.mode}")


def carry_out(run: RunFolder, config: TrainConfig, force: bool = False) -> None:
    """Train to the end and print the folder. Exit with 75 if a signal stopped the run."""
    from inpaint_tf.training.session import train
    from neuralgym_lite.progress import Progress

    with Progress() as progress:
        progress.log(f"Run folder: {run.path}")
        done = train(run, config, progress, force)
    echo(str(run.path))
    if not done:
        sys.exit(STOPPED_BY_SIGNAL)
