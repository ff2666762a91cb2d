"""`inpaint-tf finetune`."""

from __future__ import annotations

import sys
from typing import Any

import click

from inpaint_tf.cli._options import PATH
from inpaint_tf.cli._settings import SettingsCommand, report, with_run_folder, with_settings
from neuralgym_lite.backend import import_backend


@click.command("finetune", cls=SettingsCommand)
@click.argument("source", metavar="FROM")
@with_settings
@with_run_folder
@click.option("--generator-only", is_flag=True, help="Start with fresh critics.")
@click.option("--critics", metavar="RUN", type=PATH, help="Start with the critics of another run.")
def command(source: str, config_file: str | None, backend: str | None, **options: Any) -> None:
    """Train on from the weights of FROM: `inpaint-tf finetune runs/imagenet --dataset animals`.

    FROM is a run folder, a name of `inpaint-tf weights list`, a folder that `inpaint-tf import`
    wrote, or a saved model. Settings that are not given are those of FROM, but for the photographs
    and the phases, of which there is one. The optimizers start afresh.
    `inpaint-tf train --resume` goes on with a run that was stopped.
    """
    import_backend(backend, prefer_gpu=True)
    from inpaint_tf import api

    report(api.finetune(source, config_file, **options, command=sys.argv))
