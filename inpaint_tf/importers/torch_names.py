"""Weights under the names and layouts of the PyTorch port, put into our networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inpaint_tf.models import ContextualAttentionModel, Critic
from neuralgym_lite.errors import UserError


def assign_generator(model: ContextualAttentionModel, arrays: Mapping[str, Any]) -> None:
    """Put a generator's state dict into a model.

    Args:
        model: a model of the same width, usually with `compat="torch"`.
        arrays: name to array, such as `coarse_generator.conv1.conv.weight`, kernels OIHW.

    Raises:
        UserError: if a name is missing or left over, or a shape differs.
    """
    names = {}
    for stage, network in (("coarse", model.coarse), ("fine", model.refinement)):
        for variable in network.weights:
            layer, kind = variable.path.split("/")[-2:]
            part = "weight" if kind == "kernel" else "bias"
            names[f"{stage}_generator.{layer}.conv.{part}"] = variable
    _assign(names, {name: _from_oihw(value) for name, value in arrays.items()})


def assign_critic(critic: Critic, arrays: Mapping[str, Any]) -> None:
    """Put a critic's state dict into a critic.

    Args:
        critic: a critic of the same size and widths, usually with `compat="torch"`.
        arrays: name to array, such as `dis_conv_module.conv1.conv.weight`, and `linear.weight`.

    Raises:
        UserError: if a name is missing or left over, or a shape differs.
    """
    names = {}
    for conv in critic.convs:
        names[f"dis_conv_module.{conv.name}.conv.weight"] = conv.kernel
        names[f"dis_conv_module.{conv.name}.conv.bias"] = conv.bias
    names["linear.weight"], names["linear.bias"] = critic.score.kernel, critic.score.bias
    values = {name: _from_oihw(value) for name, value in arrays.items()}
    if np.size(values.get("linear.weight", ())) == critic.score.kernel.shape[0]:
        # PyTorch flattens channels first, Keras channels last.
        height, width = (-(-side // 16) for side in critic.size)
        maps = np.reshape(values["linear.weight"], (-1, height, width))
        values["linear.weight"] = maps.transpose(1, 2, 0).reshape(-1, 1)
    _assign(names, values)


def _from_oihw(value: Any) -> Any:
    array = np.asarray(value, "float32")
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def _assign(variables: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    wrong = sorted(set(variables) ^ set(values))
    if wrong:
        raise UserError(f"These weights are of another network: '{wrong[0]}' does not match.")
    for name, variable in variables.items():
        if tuple(variable.shape) != values[name].shape:
            raise UserError(
                f"These weights are of another network: '{name}' has shape "
                f"{values[name].shape}, expected {tuple(variable.shape)}."
            )
    for name, variable in variables.items():
        variable.assign(values[name])
