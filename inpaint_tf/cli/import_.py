"""`inpaint-tf import`: weights of other implementations as a model of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inpaint_tf.cli._echo import echo, tell
from inpaint_tf.cli._options import PATH, out_folder
from neuralgym_lite.backend import import_backend
from neuralgym_lite.errors import UserError

if TYPE_CHECKING:
    from inpaint_tf.importers.probe import Probe
    from inpaint_tf.models import InpaintingModel


@click.command("import")
@click.argument("checkpoint", type=PATH)
@out_folder(help="New folder for the model; give it to `fill --model`.")
@click.option(
    "--critics",
    metavar="FILE",
    type=PATH,
    help="File of the critics.  [default: dis_X.pt beside gen_X.pt, or in the same file]",
)
@click.option(
    "--mask",
    default="hole",
    help="What the weights were trained on: hole, mosaic, hole_ns or hole_telea.",
)
@click.option("--licence", metavar="TEXT", help="Licence of the weights, for the model card.")
@click.option(
    "--probe",
    "probe_file",
    metavar="NPZ",
    type=PATH,
    help="Arrays masked_input and mask (RGB in [-1, 1]), and x_stage1 and x_stage2 as the source "
    "gave them for those. A model that differs by more than 3e-4 is refused.",
)
def command(
    checkpoint: Path,
    out: Path,
    critics: Path | None,
    mask: str,
    licence: str | None,
    probe_file: Path | None,
) -> None:
    """Import weights of the PyTorch port, the paper's own code or the 2018 release.

    CHECKPOINT is a .pt or .safetensors file of a generator or of a whole training, or a TensorFlow
    1 checkpoint such as snap-0 or its folder. Nothing in it is run. PyTorch is not needed.
    """
    import_backend()
    from inpaint_tf.importers import folder
    from inpaint_tf.importers.checkpoint import read_checkpoint
    from inpaint_tf.importers.probe import read_probe

    folder.check_target(out)
    probe = read_probe(probe_file) if probe_file else None
    imported = read_checkpoint(checkpoint, critics, mask)
    differences = _compare(imported.generator, probe, checkpoint)
    facts = folder.describe(imported, licence, differences)
    folder.write_folder(out, imported, facts)
    _tell_facts(facts)
    if imported.left_out:
        tell(f"left out: {imported.left_out} tensors of something else")
    echo(out)


def _compare(model: InpaintingModel, probe: Probe | None, checkpoint: Path) -> dict[str, float]:
    from inpaint_tf.importers.probe import LIMIT, differences, formulations_differ

    if probe is None:
        tell("probe: what the source gives is not known (see --probe)")
        gap = formulations_differ(model)
        if gap is not None:
            tell(f"probe: both formulations of attention agree to {gap:.1e}")
        return {}
    found = differences(model, probe)
    text = ", ".join(f"{stage} {value:.1e}" for stage, value in found.items())
    if not all(value <= LIMIT for value in found.values()):
        raise UserError(
            f"'{checkpoint}' does not give what the probe says: largest differences {text}, "
            f"limit {LIMIT:.0e}. Is the probe of these weights?"
        )
    tell(f"probe: largest differences from the source: {text}")
    return found


def _tell_facts(facts: dict[str, Any]) -> None:
    tell(
        f"{facts['architecture']}, width {facts['width']}, {facts['weights']:,} weights, dialect "
        f"{facts['compat']}, mask {facts['mask']['name']}"
    )
    for kind, critic in facts["critics"].items():
        tell(
            f"{kind} critic, {'x'.join(map(str, critic['size']))} pixels, width {critic['width']}, "
            f"{critic['weights']:,} weights"
        )
    tell(f"licence: {facts['source']['licence']}")
