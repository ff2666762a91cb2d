"""`inpaint-tf train`."""

from __future__ import annotations

import sys
from typing import Any

import click

from inpaint_tf.cli._settings import SettingsCommand, report, with_run_folder, with_settings
from neuralgym_lite.backend import import_backend


@click.command("train", cls=SettingsCommand)
@with_settings
@with_run_folder
@click.option("--resume", is_flag=True, help="Go on from the run folder's newest checkpoint.")
@click.option("--force", is_flag=True, help="Resume with other settings or photographs, too.")
def command(config_file: str | None, backend: str | None, **options: Any) -> None:
    """Train a network: `inpaint-tf train --dataset animals --mask mosaic`.

    The run folder holds the settings, every scalar, TensorBoard events, pictures and checkpoints.
    """
    import_backend(backend, prefer_gpu=True)
    from inpaint_tf import api

    report(api.train(config_file, **options, command=sys.argv))
