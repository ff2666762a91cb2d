"""`inpaint-tf export`: a network for programs that have neither this project nor Keras."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from inpaint_tf.cli._echo import echo, echo_json, tell
from inpaint_tf.cli._options import json_option, max_pixels, out_folder
from inpaint_tf.cli.evaluate import bar
from neuralgym_lite.backend import import_backend
from neuralgym_lite.progress import Progress


@click.command("export")
@click.argument("source", metavar="FROM")
@out_folder(help="Folder of the model; a new version goes to DIR/1, DIR/2 and so on.")
@click.option(
    "--format",
    type=click.Choice(["saved_model", "onnx", "tflite", "safetensors"]),
    default="saved_model",
    help="For TF Serving; or one file for ONNX Runtime or TensorFlow Lite; or the weights alone, "
    "which --model and the other commands take as they take a .keras file.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16", "float16", "int8"]),
    default="float32",
    help="bfloat16, for saved_model: what is computed in; faster where the processor has it, and "
    "less exact. float16 and int8, for onnx and tflite: what weights are stored in; half and about "
    "a quarter of the file, but no faster, because it computes in float32.",
)
@max_pixels(
    default=4, help="Let the served model refuse larger photographs, before they are decoded."
)
@json_option(help="Print a JSON object.")
def command(source: str, out: Path, as_json: bool, **options: Any) -> None:
    """Export a network: a run folder, a name, an imported folder or a saved model.

    Before the version appears, it is compared with `inpaint-tf fill` on probe photographs, and it
    and the network are scored on photographs of the data set `samples`.
    """
    import_backend("tensorflow")
    from inpaint_tf import api

    with Progress() as progress:
        exported = api.export(source, out, **options, log=tell, on_progress=bar(progress))
    if as_json:
        difference = exported.difference
        found = {
            "folder": str(exported.folder),
            "largest_difference": difference.refined,
            "share_of_values_that_differ": difference.share,
            "largest_difference_in_grey_levels": difference.levels,
            "bytes": exported.sizes,
            "scores": {
                title: {
                    name: score if score is not None and math.isfinite(score) else None
                    for name, score in zip(("network", "exported"), pair, strict=True)
                }
                for title, pair in exported.price.scores.items()
            },
            "steps_left_out": exported.left_out,
        }
        echo_json(found, indent=None)
        return
    tell(f"Largest difference: {exported.difference}.")
    for line in exported.price.lines():
        tell(line)
    sizes = (f"{name} {size / 1e6:.2f} MB" for name, size in exported.sizes.items())
    tell(", ".join(sizes))
    echo(exported.folder)
