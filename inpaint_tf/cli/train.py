"""`inpaint-tf train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from neuralgym_lite.quiet import import_tensorflow

STOPPED_BY_SIGNAL = 75

# Option name to dotted key of the settings.
_KEYS = {
    "dataset": "data.dataset",
    "data_dir": "data.dir",
    "image_size": "data.image_size",
    "mask": "mask.mode",
    "model": "model.name",
    "width": "model.width",
}


@click.command()
@click.option("--dataset", help="animals, folder or samples.  [default: animals]")
@click.option("--mask", help="hole, mosaic, hole_ns or hole_telea.  [default: hole]")
@click.option("--model", help="Network to train.  [default: ca]")
@click.option("--data-dir", help="Folder of the photographs.")
@click.option("--config", "config_file", type=click.Path(), help="YAML file with settings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Any other setting.")
@click.option("--iterations", type=int, help="Critic updates in all.  [default: 150000]")
@click.option("--batch-size", type=int, help="Photographs in an iteration.  [default: 64]")
@click.option("--image-size", type=int, help="Side in pixels.  [default: 256]")
@click.option("--width", type=int, help="Channels of the first convolution.  [default: 32]")
@click.option("--precision", help="auto, float32 or mixed_bfloat16.  [default: auto]")
@click.option("--strategy", help="auto, single, mirrored or multiworker.  [default: auto]")
@click.option("--seed", type=int, help="Of every random number.  [default: 0]")
@click.option(
    "--run-dir", type=click.Path(path_type=Path), help="[default: runs/MODEL-DATASET-MASK]"
)
@click.option("--resume", is_flag=True, help="Go on from the run folder's newest checkpoint.")
@click.option("--overwrite", is_flag=True, help="Clear an earlier run from the run folder.")
def command(
    config_file: str | None,
    overrides: tuple[str, ...],
    run_dir: Path | None,
    resume: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train a network: `inpaint-tf train --dataset animals --mask mosaic`.

    The run folder holds the settings, every scalar, TensorBoard events, pictures and checkpoints.
    """
    import_tensorflow()
    from inpaint_tf.training.config import TrainConfig
    from inpaint_tf.training.run import resume as resume_run
    from inpaint_tf.training.run import start, train
    from neuralgym_lite.config import load_config
    from neuralgym_lite.errors import UserError
    from neuralgym_lite.progress import Progress

    if resume and (overwrite or config_file):
        other = "--overwrite" if overwrite else "--config"
        raise UserError(f"--resume and {other} contradict each other. Choose one.")
    flags = {_KEYS.get(name, name): value for name, value in options.items()}
    config = load_config(TrainConfig, config_file, flags=flags, overrides=overrides)
    path = run_dir or Path("runs", f"{config.model.name}-{config.data.dataset}-{config.mask.mode}")
    if resume:
        run, config = resume_run(path, flags, overrides)
    else:
        run = start(config, path, overwrite, sys.argv)
    with Progress() as progress:
        progress.say(f"Run folder: {path}")
        done = train(run, config, progress)
    click.echo(str(path))
    if not done:
        sys.exit(STOPPED_BY_SIGNAL)
