"""`inpaint-tf config`."""

from __future__ import annotations

from typing import Any

import click

from inpaint_tf.cli._echo import echo, echo_lines
from inpaint_tf.cli._settings import SettingsCommand, with_settings
from neuralgym_lite.backend import import_backend
from neuralgym_lite.errors import UserError


@click.command("config", cls=SettingsCommand)
@click.argument("name", required=False)
@with_settings
@click.option("--list", "lists", is_flag=True, help="List the packaged configs.")
def command(
    name: str | None,
    config_file: str | None,
    overrides: tuple[str, ...],
    lists: bool,
    **options: Any,
) -> None:
    """Print the settings that `inpaint-tf train` would use with the same options, as YAML.

    NAME is a packaged config. Comments describe each setting and its range. To change some,
    save the output, edit it and pass it to `inpaint-tf train --config`.
    """
    from inpaint_tf import configs

    if lists:
        for each in configs.names():
            echo(each, configs.summary(each))
        return
    if name and config_file:
        raise UserError(f"'{name}' and --config contradict each other. Choose one.")
    import_backend()
    from inpaint_tf.api import with_keys
    from inpaint_tf.training.procedures import load_train_config
    from neuralgym_lite.config import to_documented_yaml

    config = load_train_config(name or config_file, with_keys(options), overrides)
    if name and name in configs.names():
        echo(f"# {configs.summary(name)}")
    echo_lines(to_documented_yaml(config))
