"""`inpaint-tf finetune`."""

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
from neuralgym_lite.quiet import import_tensorflow


@click.command("finetune", cls=SettingsCommand)
@click.argument("source", metavar="FROM")
@with_settings
@with_run_folder
@click.option("--generator-only", is_flag=True, help="Start with fresh critics.")
@click.option(
    "--critics",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Start with the critics of another run.",
)
def command(
    source: str,
    config_file: str | None,
    overrides: tuple[str, ...],
    run_dir: Path | None,
    overwrite: bool,
    generator_only: bool,
    critics: Path | None,
    **options: Any,
) -> None:
    """Train on from the weights of FROM: `inpaint-tf finetune runs/imagenet --dataset animals`.

    FROM is a run folder, a name of `inpaint-tf weights list`, a folder that `inpaint-tf import`
    wrote, or a saved model. Settings that are not given are those of FROM, but for the photographs
    and the phases, of which there is one. The optimizers start afresh.
    `inpaint-tf train --resume` goes on with a run that was stopped.
    """
    if critics and generator_only:
        raise click.UsageError("Give --critics or --generator-only, not both.")
    import_tensorflow()
    from inpaint_tf.training.finetune import open_parent, start_from
    from inpaint_tf.training.procedures import load_train_config
    from neuralgym_lite.run_lock import RunLock

    parent = open_parent(source)
    if critics:
        parent = parent.with_critics_of(critics)
    config = load_train_config(config_file, as_flags(options), overrides, parent.settings)
    path = run_dir or run_folder(config).with_name(f"{run_folder(config).name}-finetuned")
    with RunLock() as lock:
        run, config = start_from(parent, config, path, overwrite, sys.argv, generator_only, lock)
        carry_out(run, config)
