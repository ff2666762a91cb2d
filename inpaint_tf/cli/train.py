"""`inpaint-tf train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from inpaint_tf.cli._settings import (
    SettingsCommand,
    as_flags,
    carry_out,
    run_folder,
    with_run_folder,
    with_settings,
)
from neuralgym_lite.config import load_config
from neuralgym_lite.errors import UserError
from neuralgym_lite.quiet import import_tensorflow


@click.command("train", cls=SettingsCommand)
@with_settings
@with_run_folder
@click.option("--resume", is_flag=True, help="Go on from the run folder's newest checkpoint.")
@click.option("--force", is_flag=True, help="Resume with other settings or photographs, too.")
def command(
    config_file: str | None,
    overrides: tuple[str, ...],
    run_dir: Path | None,
    resume: bool,
    force: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train a network: `inpaint-tf train --dataset animals --mask mosaic`.

    The run folder holds the settings, every scalar, TensorBoard events, pictures and checkpoints.
    """
    import_tensorflow()
    from inpaint_tf.training.config import TrainConfig
    from inpaint_tf.training.procedures import load_train_config
    from inpaint_tf.training.run import resume as resume_run
    from inpaint_tf.training.run import start
    from neuralgym_lite.run_lock import RunLock

    if resume and (overwrite or config_file):
        other = "--overwrite" if overwrite else "--config"
        raise UserError(f"--resume and {other} contradict each other. Choose one.")
    if force and not resume:
        raise UserError("--force is for --resume. Leave it out, or add --resume.")
    flags = as_flags(options)
    with RunLock() as lock:
        if resume:
            if run_dir is None:
                run_dir = run_folder(load_config(TrainConfig, flags=flags, overrides=overrides))
            run, config = resume_run(run_dir, flags, overrides, force, lock)
        else:
            config = load_train_config(config_file, flags, overrides)
            path = run_dir or run_folder(config)
            run, config = start(config, path, overwrite, sys.argv, lock=lock)
        carry_out(run, config, force)
