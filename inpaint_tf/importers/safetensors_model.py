"""Networks in `.safetensors` files: ours with their settings, and those that an import knows."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from inpaint_tf.importers.checkpoint import read_checkpoint
from inpaint_tf.importers.safetensors_file import read_safetensors
from inpaint_tf.importers.weight_slots import WeightSlot, assign_weights
from inpaint_tf.keras_archive import MAX_CONFIG_BYTES, RefusedError
from inpaint_tf.model_source import ModelSource
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.keras_file import check_config
from inpaint_tf.models.registry import MODELS
from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError, printable, reason_of

SUFFIX = ".safetensors"
_KEY = "inpaint_tf"  # of the metadata; a second key would make the bytes of the file random
_MAX_REASON = 300


def load_generator(source: ModelSource) -> InpaintingModel:
    """Load the generator of a model, from a file of any format.

    Raises:
        UserError: if there is none, or its file is damaged or not safe to load.
    """
    file = source.generator_file
    return load_safetensors(file) if file.suffix == SUFFIX else source.load_generator()


def write_safetensors(model: InpaintingModel, path: Path) -> None:
    """Write the weights of a network, and its class and settings in the header's metadata.

    Example:
        >>> from pathlib import Path
        >>> from inpaint_tf.importers.safetensors_model import load_safetensors, write_safetensors
        >>> model = inpaint_tf.models.create("autoencoder", width=2, mask_mode="mosaic")
        >>> write_safetensors(model, Path("small.safetensors"))
        >>> load_safetensors(Path("small.safetensors")).mask_mode.name
        'mosaic'
    """
    config = keras.saving.serialize_keras_object(model)
    facts = {
        "model": next(name for name, kind in MODELS.items() if type(model) is kind),
        "mask": model.mask_mode.name,
        **{key: config[key] for key in ("class_name", "registered_name", "config")},
    }
    weights = dict(zip(_slots(model), model.get_weights(), strict=True))
    save_file(
        {name: np.ascontiguousarray(array) for name, array in weights.items()},
        path,
        {_KEY: json.dumps(facts)},
    )


def load_safetensors(path: Path) -> InpaintingModel:
    """Load the network in a `.safetensors` file.

    Args:
        path: a file of `write_safetensors`, or of another implementation whose names of weights
            `inpaint-tf import` knows. The latter do not record their mask mode, which is taken to
            be `hole`.

    Raises:
        UserError: one line, if it is damaged, holds another network, other weights than those of
            its network, or numbers that are not finite.
    """
    arrays = read_safetensors(path)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise UserError(f"'{path}' cannot be read: {printable(reason_of(error))}.") from None
    if _KEY not in metadata:
        return read_checkpoint(path).generator
    try:
        config = strict_json.parse(metadata[_KEY].encode(), MAX_CONFIG_BYTES)
        least = check_config(config, InpaintingModel)
        total = sum(array.nbytes for array in arrays.values())
        if total < least:
            raise RefusedError(
                f"has {total:,} bytes of weights, and its network takes {least:,} or more."
            )
        kind = keras.saving.get_registered_object(config["registered_name"])
        model: InpaintingModel = kind.from_config(config["config"])
        assign_weights(_slots(model), arrays)
        return model
    except RefusedError as refusal:
        raise UserError(f"'{path}' {refusal}") from None
    except UserError as error:
        raise UserError(f"'{path}': {error}") from None
    except Exception as error:  # the arguments of a class may be wrong in many ways
        reason = printable(reason_of(error))[:_MAX_REASON]
        raise UserError(f"'{path}' is damaged: {reason}") from None


def _slots(model: InpaintingModel) -> dict[str, WeightSlot]:
    """Return the variables by names such as `coarse/conv1/kernel`, as they are."""
    return {
        _name(layer, variable): WeightSlot(variable, tuple(variable.shape), lambda array: array)
        for layer in model.layers
        for variable in layer.weights
    }


def _name(layer: keras.layers.Layer, variable: keras.Variable) -> str:
    """Return the name of a variable in its network, whose path may begin anywhere above it."""
    below = f"/{variable.path}".rpartition(f"/{layer.name}/")[2]
    return f"{layer.name}/{below.removeprefix('/')}"
