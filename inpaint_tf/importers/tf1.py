"""Imports checkpoints of the 2018 release, a TensorFlow 1 program.

The release was trained on BGR images. Here the kernels that read or write images are reversed along
the color axis, so that the networks use RGB.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from inpaint_tf.importers.weight_slots import (
    WeightSlot,
    assign_weights,
    check_count,
    dimension,
    make_critic,
)
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import ContextualAttentionModel, Critic, InpaintingModel, create
from neuralgym_lite.errors import UserError, reason_of

COMPAT = "tf1"
GENERATOR = "inpaint_net/"
CRITICS = "discriminator/"
_MAX_REASON = 300

_OPTIMIZER = re.compile(r".*/(Adam|RMSProp|Momentum|beta[12]_power)(_\d+)?")
_UPSAMPLED = ("conv13", "conv15", "allconv13", "allconv15")
_READ_IMAGES = ("conv1", "pmconv1")
_WRITE_IMAGES = ("conv17", "allconv17")


def find_checkpoint(path: Path) -> Path | None:
    """Return the prefix of a TensorFlow checkpoint's files, or None if `path` is something else.

    `path` may be `snap-0`, one of its files, or a folder with a checkpoint.

    Raises:
        UserError: If its index is missing, or the folder has several checkpoints and no file
            `checkpoint` that names one.
    """
    if path.is_dir():
        return _newest(path)
    prefix = path.with_name(re.sub(r"\.(index|data-\d+-of-\d+)$", "", path.name))
    if _index(prefix).is_file():
        return prefix
    if prefix != path:
        raise UserError(f"'{path}' is a part of a TensorFlow checkpoint without its index file.")
    return None


def checkpoint_files(prefix: Path) -> list[Path]:
    """List the files of a checkpoint, its index first."""
    pattern = re.compile(re.escape(prefix.name) + r"\.data-\d+-of-\d+")
    return [_index(prefix), *sorted(p for p in prefix.parent.iterdir() if pattern.match(p.name))]


def read_tf1(prefix: Path) -> dict[str, NDArray[Any]]:
    """Read the float tensors of a generator and its critics, without those of the optimizer.

    Raises:
        UserError: if it is damaged, or none of the 2018 release, or TensorFlow is not installed.
    """
    try:
        import tensorflow as tf

        from inpaint_tf.importers.tf1_index import check_index
    except ImportError as error:
        raise UserError(
            f"'{prefix}' is a TensorFlow checkpoint. To import it, run: pip install tensorflow"
        ) from error
    try:
        check_index(_index(prefix))
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        names = [name for name in sorted(shapes) if _is_weight(name) and dtypes[name].is_floating]
        needed = sum(math.prod(shapes[name]) * dtypes[name].size for name in names)
        if needed > sum(file.stat().st_size for file in checkpoint_files(prefix)):
            raise ValueError(f"its tensors would take {needed:,} bytes, more than its files have")
        arrays = {name: reader.get_tensor(name) for name in names}
    except Exception as error:  # TensorFlow raises many kinds of exceptions for damaged files
        raise UserError(f"'{prefix}' is damaged: {reason_of(error)[:_MAX_REASON]}") from error
    if not any(name.startswith(GENERATOR) for name in arrays):
        found = f"found '{min(shapes)}'" if shapes else "found nothing"
        raise UserError(
            f"'{prefix}' is no checkpoint of the 2018 release: expected names such as "
            f"'{GENERATOR}conv1/kernel', {found}."
        )
    return arrays


def make_generator(arrays: Mapping[str, Any], mask_mode: MaskMode) -> InpaintingModel:
    """Create the generator of the release from its tensors. Tensors of critics are ignored."""
    width = dimension(arrays, f"{GENERATOR}conv1/kernel", axis=3)
    check_count(arrays, ContextualAttentionModel.least_weights(width))
    model = create("ca", width=width, compat=COMPAT, mask_mode=mask_mode)
    slots = {}
    for prefix, network in (("", model.coarse), ("x", model.refinement)):
        for variable in network.weights:
            layer, kind = variable.path.split("/")[-2:]
            name = layer if layer.startswith(("pm", "all")) else f"{prefix}{layer}"
            if layer in _UPSAMPLED:
                name = f"{name}_upsample/{name}_upsample_conv"
            slots[f"{GENERATOR}{name}/{kind}"] = _slot(variable, layer)
    assign_weights(slots, _only(arrays, GENERATOR))
    return model


def make_critics(arrays: Mapping[str, Any]) -> dict[str, Critic]:
    """Create the critics of the release from its tensors, if there are any."""
    own = _only(arrays, CRITICS)
    if not own:
        return {}
    critics, slots = {}, {}
    for kind in ("local", "global"):
        kernels = [f"{CRITICS}discriminator_{kind}/{conv}/kernel" for conv in ("conv1", "conv4")]
        dense = f"{CRITICS}dout_{kind}_fc/kernel"
        critics[kind] = make_critic(kind, own, kernels, dense, 3, COMPAT)
    for kind, critic in critics.items():
        for conv in critic.convs:
            name = f"{CRITICS}discriminator_{kind}/{conv.name}"
            slots[f"{name}/kernel"] = _slot(conv.kernel, conv.name)
            slots[f"{name}/bias"] = _slot(conv.bias, conv.name)
        slots[f"{CRITICS}dout_{kind}_fc/kernel"] = _slot(critic.score.kernel, "dense")
        slots[f"{CRITICS}dout_{kind}_fc/bias"] = _slot(critic.score.bias, "dense")
    assign_weights(slots, own)
    return critics


def _slot(variable: Any, layer: str) -> WeightSlot:
    shape = tuple(variable.shape)
    if layer in _READ_IMAGES and len(shape) == 4:
        rest = range(3, shape[2])
        return WeightSlot(variable, shape, lambda kernel: kernel[:, :, [2, 1, 0, *rest]])
    if layer in _WRITE_IMAGES:
        return WeightSlot(variable, shape, lambda array: array[..., ::-1])
    return WeightSlot(variable, shape, lambda array: array)


def _newest(folder: Path) -> Path:
    """Return the checkpoint named by the file `checkpoint`, or the only one in the folder."""
    note = folder / "checkpoint"
    text = note.read_text("utf-8", errors="replace") if note.is_file() else ""
    if named := re.search(r'^model_checkpoint_path: "(.+)"', text, re.MULTILINE):
        # The recorded path is that of the author's machine.
        prefix = folder / re.split(r"[/\\]", named[1])[-1]
        if _index(prefix).is_file():
            return prefix
        raise UserError(f"'{note}' names '{prefix.name}', but '{_index(prefix)}' is missing.")
    found = sorted(path.with_suffix("") for path in folder.glob("*.index"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UserError(
            f"'{folder}' must hold one TensorFlow checkpoint; PyTorch's .pt files are "
            f"given by name. Found: {names}."
        )
    return found[0]


def _index(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def _only(arrays: Mapping[str, Any], scope: str) -> dict[str, Any]:
    return {name: array for name, array in arrays.items() if name.startswith(scope)}


def _is_weight(name: str) -> bool:
    return name.startswith((GENERATOR, CRITICS)) and not _OPTIMIZER.fullmatch(name)
