"""`inpaint-tf doctor`."""

from __future__ import annotations

import sys

import click

from inpaint_tf.cli._echo import echo, echo_json, tell
from inpaint_tf.cli._options import json_option
from neuralgym_lite.backend import import_backend


@click.command("doctor")
@json_option(help="Print JSON.")
def command(as_json: bool) -> None:
    """Check this machine: versions, devices, precision, a short training, what is missing.

    Exits with 1 if something does not work.
    """
    import_backend(prefer_gpu=True)
    from inpaint_tf.training.doctor import examine

    tell("A training of two rounds takes some seconds.")
    findings = examine()
    if as_json:
        echo_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            echo(f"{finding.state:<8}{finding.subject:<14}{finding.text}")
    if any(finding.state == "broken" for finding in findings):
        sys.exit(1)
