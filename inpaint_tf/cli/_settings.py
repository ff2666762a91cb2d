"""The options that `train`, `finetune` and `config` share, and how a run ends."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from inpaint_tf.cli._echo import echo, tell
from inpaint_tf.cli._options import PATH, add_options
from neuralgym_lite.backend import import_backend
from neuralgym_lite.errors import UserError

if TYPE_CHECKING:
    from inpaint_tf.api import TrainedRun

STOPPED_BY_SIGNAL = 75

_SHORT_NAMES = {"lr": "learning_rate", "critic_lr": "critic_learning_rate"}

with_settings = add_options(
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
        "--model", help="ca, stable-glcic, glcic, context-encoder or autoencoder.  [default: ca]"
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
with_run_folder = add_options(
    click.option(
        "--backend",
        help="tensorflow or jax.  [default: KERAS_BACKEND; else the one that sees a GPU]",
    ),
    click.option("--run-dir", type=PATH, help="[default: runs/MODEL-DATASET-MASK]"),
    click.option("--overwrite", is_flag=True, help="Clear an earlier run from the run folder."),
)


class SettingsCommand(click.Command):
    """A command that names the key of a setting when it is given as an unknown option."""

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


def _keys_of_option(option: str) -> dict[str, None]:
    """Return the keys of the settings that an option names, of any model, in order."""
    import_backend()
    from inpaint_tf.training.config import MODEL_CONFIGS
    from neuralgym_lite.config import key_paths

    name = option.lstrip("-").replace("-", "_")
    name = _SHORT_NAMES.get(name, name)
    return dict.fromkeys(key for kind in MODEL_CONFIGS.values() for key in key_paths(kind, name))


def report(run: TrainedRun) -> None:
    """Print the folder of a run; exit with 75 if a signal stopped it."""
    echo(run.run_dir)
    if not run.finished:
        tell(f"To go on: inpaint-tf train --resume --run-dir {shlex.quote(str(run.run_dir))}")
        sys.exit(STOPPED_BY_SIGNAL)
