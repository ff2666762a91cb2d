"""`inpaint-tf export`: a network for programs that have neither this project nor Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inpaint_tf.cli._echo import echo, echo_json, tell
from inpaint_tf.cli._options import json_option, max_pixels, out_folder
from neuralgym_lite.backend import import_backend


@click.command("export")
@click.argument("source", metavar="FROM")
@out_folder(help="Folder of the model; a new version goes to DIR/1, DIR/2 and so on.")
@click.option(
    "--format",
    type=click.Choice(["saved_model", "onnx", "tflite"]),
    default="saved_model",
    help="For TF Serving, or one file for ONNX Runtime or TensorFlow Lite.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    help="What is computed in; bfloat16 is faster where the processor has it, and less exact.",
)
@max_pixels(
    default=4, help="Let the served model refuse larger photographs, before they are decoded."
)
@json_option(help="Print a JSON object.")
def command(source: str, out: Path, as_json: bool, **options: Any) -> None:
    """Export a network: a run folder, a name, an imported folder or a saved model.

    The version is compared with `inpaint-tf fill` on probe photographs before it appears.
    """
    import_backend("tensorflow")
    from inpaint_tf import api

    exported = api.export(source, out, **options, log=tell)
    if as_json:
        difference = exported.difference
        found = {
            "folder": str(exported.folder),
            "largest_difference": difference.refined,
            "share_of_values_that_differ": difference.share,
            "largest_difference_in_grey_levels": difference.levels,
            "bytes": exported.sizes,
            "steps_left_out": exported.left_out,
        }
        echo_json(found, indent=None)
        return
    tell(f"Largest difference: {exported.difference}.")
    sizes = (f"{name} {size / 1e6:.2f} MB" for name, size in exported.sizes.items())
    tell(", ".join(sizes))
    echo(exported.folder)
