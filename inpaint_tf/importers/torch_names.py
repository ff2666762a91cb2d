"""Imports weights with the names and layouts of the PyTorch port.

The paper's own code uses the same names and layouts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from inpaint_tf.importers.weight_slots import (
    WeightSlot,
    assign_weights,
    check_count,
    dimension,
    make_critic,
)
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import Critic, InpaintingModel, create
from inpaint_tf.models.registry import find
from neuralgym_lite.errors import UserError

COMPAT = "torch"
GENERATOR = ("coarse_generator.", "fine_generator.")
CRITICS = {"local": "localD.", "global": "globalD."}
# Prefixes that DataParallel and torch.compile insert anywhere in names.
_WRAPPED = re.compile(r"(?:(?<=^)|(?<=\.))(?:module|_orig_mod)\.")


def make_generator(arrays: Mapping[str, Any], mask_mode: MaskMode) -> tuple[str, InpaintingModel]:
    """Create the generator that a state dict belongs to, with its weights.

    Args:
        arrays: see `assign_generator`; alone or in a complete training state. A prefix of the
            generator's names, such as `state_dict.netG.`, is detected.
        mask_mode: mask mode of the training.

    Returns:
        The name of the network in the model registry, and the network.
    """
    arrays = select(arrays, GENERATOR)
    name = _architecture(arrays)
    options: dict[str, Any] = {} if name == "ca" else {"wiring": "paper-code"}
    width = dimension(arrays, "coarse_generator.conv1.conv.weight", axis=0)
    check_count(arrays, find(name).least_weights(width))
    model = create(name, width=width, compat=COMPAT, mask_mode=mask_mode, **options)
    assign_generator(model, arrays)
    return name, model


def make_critics(arrays: Mapping[str, Any]) -> dict[str, Critic]:
    """Create the critics of the state dicts `localD` and `globalD`, of which one may be missing.

    Both may be parts of a complete training state.
    """
    arrays = select(arrays, tuple(CRITICS.values()))
    strange = [name for name in arrays if not name.startswith(tuple(CRITICS.values()))]
    if strange or not arrays:
        what = f"'{strange[0]}'" if strange else "no tensors"
        raise UserError(f"These are not critics: expected 'localD' and 'globalD', found {what}.")
    critics = {}
    for kind, prefix in CRITICS.items():
        own = {key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}
        if own:
            kernels = [f"dis_conv_module.conv{i}.conv.weight" for i in (1, 4)]
            critics[kind] = make_critic(kind, own, kernels, "linear.weight", 0, COMPAT)
            assign_critic(critics[kind], own)
    return critics


def select(arrays: Mapping[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    """Return the arrays of one network, without a common prefix of their names.

    Args:
        arrays: arrays by names that may have a prefix, such as `state_dict.netG.`.
        first: prefixes of the network's own names.

    Returns:
        The arrays of the network if they have a prefix; else all arrays.
    """
    plain: dict[str, Any] = {}
    for name, array in arrays.items():
        if plain.setdefault(_WRAPPED.sub("", name), array) is not array:
            raise UserError(f"Two tensors are called '{_WRAPPED.sub('', name)}'.")
    begins = re.compile(rf"(.*?\.|)(?:{'|'.join(map(re.escape, first))})")
    places = sorted({found[1] for name in plain if (found := begins.match(name))})
    if len(places) > 1:
        raise UserError(
            f"There are several such networks, under '{places[0]}' and '{places[1]}'. Save the one "
            "that you want alone."
        )
    if not places or not places[0]:
        return plain
    own = {name.removeprefix(places[0]): plain[name] for name in plain}
    return {name: array for name, array in own.items() if name.startswith(first)}


def has_critics(arrays: Mapping[str, Any]) -> bool:
    """Return whether a training state contains critics."""
    return any(f".{kind}" in f".{name}" for name in arrays for kind in CRITICS.values())


def assign_generator(model: InpaintingModel, arrays: Mapping[str, Any]) -> None:
    """Assign a generator's state dict to a two-stage model of the same width.

    Names are such as `coarse_generator.conv1.conv.weight`; kernels are OIHW.
    """
    slots = {}
    for stage, network in (("coarse", model.coarse), ("fine", model.refinement)):
        for variable in network.weights:
            layer, kind = variable.path.split("/")[-2:]
            part = "weight" if kind == "kernel" else "bias"
            slots[f"{stage}_generator.{layer}.conv.{part}"] = _slot(variable)
    assign_weights(slots, arrays)


def assign_critic(critic: Critic, arrays: Mapping[str, Any]) -> None:
    """Assign a critic's state dict to a critic of the same size and widths.

    Names are such as `dis_conv_module.conv1.conv.weight` and `linear.weight`.
    """
    slots = {}
    for conv in critic.convs:
        slots[f"dis_conv_module.{conv.name}.conv.weight"] = _slot(conv.kernel)
        slots[f"dis_conv_module.{conv.name}.conv.bias"] = _slot(conv.bias)
    height, width = (-(-side // 16) for side in critic.size)

    def reorder(kernel: Any) -> Any:
        # PyTorch flattens channels first, Keras channels last.
        return kernel.reshape(-1, height, width).transpose(1, 2, 0).reshape(-1, 1)

    dense = critic.score.kernel
    slots["linear.weight"] = WeightSlot(dense, (1, dense.shape[0]), reorder)
    slots["linear.bias"] = _slot(critic.score.bias)
    assign_weights(slots, arrays)


def _architecture(arrays: Mapping[str, Any]) -> str:
    if any(name.startswith(("fine_generator.pmconv", "fine_generator.allconv")) for name in arrays):
        return "ca"
    if any(name.startswith("fine_generator.conv") for name in arrays):
        return "stable-glcic"
    if any(name.startswith(tuple(CRITICS.values())) for name in arrays):
        raise UserError("These are critics. Give the generator's file, and this as `critics`.")
    found = f"found '{next(iter(arrays))}'" if arrays else "found no tensors at all"
    raise UserError(
        "These weights are of no generator known here: expected names such as "
        f"'fine_generator.pmconv1.conv.weight', {found}."
    )


def _slot(variable: Any) -> WeightSlot:
    shape = tuple(variable.shape)
    if len(shape) == 4:  # OIHW there, HWIO here
        oihw = tuple(shape[axis] for axis in (3, 2, 0, 1))
        return WeightSlot(variable, oihw, lambda array: array.transpose(2, 3, 1, 0))
    return WeightSlot(variable, shape, lambda array: array)
