"""The parts of a Keras network with contextual attention."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from inpaint_tf.inference.attention import attend
from inpaint_tf.inference.stages import Array, Attend, Part, Stages
from inpaint_tf.layers import ContextualAttention
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.region import Region
from neuralgym_lite.backend import compiled, device_errors, is_jax, sees_gpu

Graph: TypeAlias = Callable[..., Any]


def keras_stages(model: ContextualAttentionModel) -> Stages:
    """Return the parts of a network.

    Under TensorFlow a part computes no more than its box depends on. JAX compiles each shape anew,
    so there the box is cut out of the whole result. Attention is computed by NumPy, which is faster
    on a CPU, but for TensorFlow on a GPU.
    """
    refinement, width = model.refinement, model.width
    on_gpu = sees_gpu() and not is_jax()
    return Stages(
        guess=_part(model, model.guess, 3, 1),
        features=cut_after(graph_of(model, model.features, 3, 1)),
        attend=_attention(model) if on_gpu else partial(attend, compat=model.compat),
        decode=_part(model, model.decode, 3, 1, 4 * width),
        width=width,
        guess_field=model.coarse.receptive_field,
        features_field=refinement.attention_encoder_field,
        decode_field=refinement.decoder_field,
        attended_field=refinement.attention_decoder_field,
        errors=(*device_errors(), MemoryError),
    )


def graph_of(layer: keras.layers.Layer, function: Graph, *channels: int) -> Graph:
    """Compile a function of pictures with so many channels, which uses the weights of a layer."""
    return compiled(function, layer.variables, [(1, None, None, count) for count in channels])


def cut_after(graph: Graph) -> Part:
    """Return a part that computes whole pictures, and cuts out the box."""

    def run(*inputs: Any) -> Array:
        *pictures, box = inputs
        output = np.asarray(graph(*(each[None] for each in pictures)))[0]
        return output[box.scaled(len(output) / len(pictures[0])).slices]

    return run


def _part(layer: keras.layers.Layer, function: Graph, *channels: int) -> Part:
    """Return a part, given a function that takes a `Region` as its last argument."""
    if is_jax():
        return cut_after(graph_of(layer, function, *channels))

    def within(*inputs: Any) -> Any:
        *pictures, box = inputs
        sides = ops.stack(ops.shape(pictures[0])[1:3])
        return function(*pictures, Region(ops.convert_to_tensor(box), sides))

    shapes = [*((1, None, None, count) for count in channels), (4,)]
    graph = compiled(within, layer.variables, shapes, ["float32"] * len(channels) + ["int32"])

    def run(*inputs: Any) -> Array:
        *pictures, box = inputs
        return np.asarray(graph(*(each[None] for each in pictures), np.array(box, np.int32)))[0]

    return run


def _attention(model: ContextualAttentionModel) -> Attend:
    """Return the attention as graphs of TensorFlow. Making one takes seconds, so it is kept."""
    graphs: dict[int, Graph] = {}

    def run(features: Array, mask: Array, needed: Array, memory: int) -> tuple[Array, Array]:
        if memory not in graphs:
            config = model.refinement.attention.get_config()
            changed = {**config, "formulation": "streamed", "memory": memory}
            layer = ContextualAttention.from_config(changed)

            def attend(features: Any, mask: Any, needed: Any) -> Any:
                return layer(features, features, mask, return_attention=True, needed=needed)

            graphs[memory] = graph_of(layer, attend, features.shape[-1], 1, 1)
        near = needed[None, ..., None].astype(np.float32)
        attended, offsets = graphs[memory](features[None], mask[None], near)
        return np.asarray(ops.cast(attended[0], "float32")), np.asarray(offsets)[0]

    return run
