"""Write the parts of the networks that come with the install as ONNX graphs without weights.

    python tools/ship_onnx.py

`inpaint_tf/inference/onnx_stages.py` runs them with the weights of a `.keras` file. They are those
of any network with contextual attention of this width and convention of weights.
"""

from __future__ import annotations

import collections
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras.src.utils.naming import to_snake_case  # names a list's layers in a file as Keras does
from onnx import TensorProto, helper, numpy_helper

from inpaint_tf.inference.onnx_stages import COMPAT, FACTS, GRAPHS, WIDTH
from inpaint_tf.layers import UpsampleConv2D
from inpaint_tf.models import create
from inpaint_tf.models.blocks import fields_of
from inpaint_tf.models.region import CELL, FEATURE
from neuralgym_lite.folders import atomic_write

OPSET = 17


class Graph:
    """Collects the nodes of one part. Maps are `(1, C, H, W)`."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.numbers: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, *values: int) -> str:
        """Add integers and return their name."""
        name = f"integers_{len(self.numbers)}"
        self.numbers.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def grown(self, margin: float) -> str:
        """Return the box with a margin all around, in whole cells, within the picture."""
        side = math.ceil(margin / CELL) * CELL
        moved = self.add("Add", "box", self.constant(-side, -side, side, side))
        return self.add("Min", self.add("Max", moved, self.constant(0)), "size")

    def cut(self, maps: str, box: str, covered: str, pixel: float) -> str:
        """Cut a box out of maps that cover a larger one."""
        corner = self.add("Gather", covered, self.constant(0, 1, 0, 1))
        edges = self.add("Div", self.add("Sub", box, corner), self.constant(int(pixel)))
        ends = (self.add("Gather", edges, self.constant(*pair)) for pair in ((0, 1), (2, 3)))
        return self.add("Slice", maps, *ends, self.constant(2, 3))

    def layer(self, layer: Any, prefix: str, maps: str) -> str:
        """Apply a layer, whose weights lie in a `.keras` file under a prefix."""
        kernel, bias = layer.kernel.shape, layer.bias.shape
        size = kernel[0]
        if isinstance(layer, UpsampleConv2D):
            kind, shape = "ConvTranspose", (kernel[2], kernel[3], 4, 4)
            options: dict[str, Any] = {"strides": [2, 2], "pads": [1] * 4}
        else:
            kind, shape = "Conv", (kernel[3], kernel[2], size, size)
            step, rate = layer.strides[0], layer.dilation_rate[0]
            # Of an even side, "same" padding at stride 2 is at the end.
            before, after = (0, 1) if step == 2 else (rate * (size // 2),) * 2
            options = {"strides": [step] * 2, "dilations": [rate] * 2}
            options["pads"] = [before, before, after, after]
        names = [f"{prefix}/vars/{index}" for index in range(2)]
        for name, sides in zip(names, (shape, bias), strict=True):
            tensor = TensorProto(name=name, dims=sides, data_type=TensorProto.FLOAT)
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="weights")
            self.weights.append(tensor)
        maps = self.add(kind, maps, *names, **options)
        activation = layer.activation.__name__
        return maps if activation == "linear" else self.add(activation.capitalize(), maps)

    def chain(
        self,
        layers: Sequence[Any],
        prefix: str,
        maps: str,
        margin: float = 0.0,
        covered: str = "picture",
        pixel: int = 1,
    ) -> str:
        """Apply layers, each to what the next one needs of a box with a margin."""
        counts: collections.Counter[str] = collections.Counter()
        *fields, (_, last) = fields_of(layers, pixel)
        for layer, (field, side) in zip(layers, fields, strict=True):
            kind = to_snake_case(type(layer).__name__)
            name = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
            needed = self.grown(field + self._whole(margin))
            maps = self.layer(layer, f"{prefix}/{name}", self.cut(maps, needed, covered, side))
            covered = needed
        return self.cut(maps, self.grown(margin), covered, last)

    @staticmethod
    def _whole(margin: float) -> int:
        return math.ceil(margin / CELL) * CELL

    def save(self, path: Path, output: str, maps: dict[str, int]) -> dict[str, Any]:
        """Write the graph of inputs with so many channels; return the shapes of its weights."""
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, None, None, channels))
            for name, channels in maps.items()
        ]
        inputs.append(helper.make_tensor_value_info("box", TensorProto.INT64, (4,)))
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, (1, None, None, None))]
        graph = helper.make_graph(
            self.nodes, path.stem, inputs, outputs, [*self.weights, *self.numbers]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 8
        atomic_write(path, model.SerializeToString())
        print(f"{path}: {path.stat().st_size:,} bytes")
        return {tensor.name: list(tensor.dims) for tensor in self.weights}


def begin() -> tuple[Graph, str]:
    """Return a graph with what all parts begin with, and its five channels."""
    graph = Graph()
    sides = graph.add("Slice", graph.add("Shape", "mask"), graph.constant(1), graph.constant(3))
    nodes = [
        helper.make_node("Concat", [sides, sides], ["size"], axis=0),
        helper.make_node("Sub", ["size", "size"], ["nothing"]),
    ]
    graph.nodes += nodes
    corner = graph.add("Gather", "nothing", graph.constant(0, 1))
    graph.nodes.append(helper.make_node("Concat", [corner, sides], ["picture"], axis=0))
    ones = graph.add("Add", graph.add("Sub", "mask", "mask"), _one(graph))
    joined = graph.add("Concat", "image", ones, "mask", axis=3)
    return graph, graph.add("Transpose", joined, perm=[0, 3, 1, 2])


def _one(graph: Graph) -> str:
    graph.numbers.append(numpy_helper.from_array(np.ones((), np.float32), "one"))
    return "one"


def finish(graph: Graph, maps: str, clips: bool) -> str:
    """Return pictures, or features, `(1, H, W, C)`."""
    if clips:
        for name, value in (("least", -1), ("most", 1)):
            graph.numbers.append(numpy_helper.from_array(np.array(value, np.float32), name))
        maps = graph.add("Clip", maps, "least", "most")
    return graph.add("Transpose", maps, perm=[0, 2, 3, 1])


def main() -> None:
    """Write the three parts."""
    model = create("ca", width=WIDTH, compat=COMPAT)
    refinement, root = model.refinement, "layers/refinement_network"
    GRAPHS.mkdir(exist_ok=True)
    both = {"image": 3, "mask": 1}

    graph, maps = begin()
    maps = finish(graph, graph.chain(model.coarse.chain, "coarse/chain", maps), clips=True)
    guess = graph.save(GRAPHS / "guess.onnx", maps, both)

    graph, maps = begin()
    maps = graph.chain(refinement.attention_encoder, f"{root}/attention_encoder", maps)
    features = graph.save(GRAPHS / "features.onnx", finish(graph, maps, clips=False), both)

    graph, maps = begin()
    margin = fields_of(refinement.decoder, FEATURE)[0][0]
    attended = graph.add("Transpose", "attended", perm=[0, 3, 1, 2])
    dilated = graph.chain(refinement.dilated_encoder, f"{root}/dilated_encoder", maps, margin)
    attended = graph.chain(
        refinement.attention_decoder, f"{root}/attention_decoder", attended, margin, pixel=FEATURE
    )
    merged = graph.add("Concat", dilated, attended, axis=1)
    wide = graph.grown(margin)
    maps = graph.chain(refinement.decoder, f"{root}/decoder", merged, covered=wide, pixel=FEATURE)
    inputs = {**both, "attended": 4 * WIDTH}
    decode = graph.save(GRAPHS / "decode.onnx", finish(graph, maps, clips=True), inputs)

    facts = {
        "guess_field": model.coarse.receptive_field,
        "features_field": refinement.attention_encoder_field,
        "decode_field": refinement.decoder_field,
        "attended_field": refinement.attention_decoder_field,
        "weights": {"guess": guess, "features": features, "decode": decode},
    }
    atomic_write(GRAPHS / FACTS, f"{json.dumps(facts, indent=1)}\n".encode())


if __name__ == "__main__":
    main()
