"""A `FillGraph` in one file: ONNX, TensorFlow Lite, and the weights alone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from inpaint_tf.exporters.served_inpainter import PHOTOGRAPHS
from inpaint_tf.exporters.stored_weights import shorten_onnx, shorten_tflite
from inpaint_tf.importers.safetensors_model import load_safetensors, write_safetensors
from inpaint_tf.inference.engines import Engine, UInt8, need
from inpaint_tf.inference.network import NetworkInpainter
from inpaint_tf.models.filling import FillGraph
from neuralgym_lite.quiet import held_back_stderr

OPSET = 17


def write_onnx(graph: FillGraph, path: Path, precision: str = "float32") -> None:
    """Write a network as ONNX, for batches and photographs of any size.

    Args:
        graph: what is written.
        path: of the file.
        precision: of the stored weights: `"float32"`, `"float16"` or `"int8"`.

    Raises:
        UserError: if the packages for it are not installed.
    """
    onnx, tf2onnx = need("onnx"), need("tf2onnx")
    function = _function(graph)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=PHOTOGRAPHS, opset=OPSET)
    for node in proto.graph.node:
        if node.op_type == "Conv":
            _pad_by_numbers(node, onnx.helper)
    if precision != "float32":
        shorten_onnx(proto, precision)
    onnx.checker.check_model(proto)
    onnx.save(proto, str(path))


def write_tflite(graph: FillGraph, path: Path, precision: str = "float32") -> None:
    """Write a network for TensorFlow Lite, for batches and photographs of any size.

    Args:
        graph: what is written.
        path: of the file.
        precision: as for `write_onnx`.
    """
    module = portable_module(graph)
    with tempfile.TemporaryDirectory() as folder, held_back_stderr():
        # By way of a SavedModel, for the names of inputs and outputs.
        tf.saved_model.save(module, folder, signatures=module.fill)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
    path.write_bytes(shorten_tflite(content) if precision == "int8" else content)


def write_weights(graph: FillGraph, path: Path, precision: str = "float32") -> None:
    """Write the weights of a network as safetensors, in the precision that they have."""
    write_safetensors(graph.model, path)


def weights_engine(path: Path) -> Engine:
    """Run the network in a file of `write_weights`, as `fill` does."""
    model = load_safetensors(path)
    graph, inpainter = FillGraph(model), NetworkInpainter(model, model.mask_mode, path.stem)

    def run(images: UInt8, masks: UInt8) -> Mapping[str, Any]:
        refined = graph.predict(images, masks)["refined"]
        return {"output": inpainter.fill(images, masks), "refined": np.asarray(refined)}

    return run


def portable_module(graph: FillGraph) -> tf.Module:
    """Return a network as a module, whose function is `fill`."""
    module = tf.Module()
    module.fill = _function(graph)
    module.weights = [variable.value for variable in graph.model.variables]
    return module


def _function(graph: FillGraph) -> Any:
    @tf.function(input_signature=PHOTOGRAPHS, autograph=False)
    def fill(image: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = graph(image, mask)
        return {name: outputs[name] for name in ("output", "refined")}

    return fill


def _pad_by_numbers(convolution: Any, helper: Any) -> None:
    """Write the zero padding as numbers; ONNX Runtime does not compute it for dilated kernels.

    At stride 1 it is half of the kernel's extent, on all sides.
    """
    known = {each.name: helper.get_attribute_value(each) for each in convolution.attribute}
    if known.get("auto_pad") != b"SAME_UPPER" or set(known.get("strides", [1])) != {1}:
        return
    dilations = known.get("dilations", [1, 1])
    half = [
        dilation * (size - 1) // 2
        for dilation, size in zip(dilations, known["kernel_shape"], strict=True)
    ]
    kept = [each for each in convolution.attribute if each.name not in ("auto_pad", "pads")]
    del convolution.attribute[:]
    convolution.attribute.extend([*kept, helper.make_attribute("pads", half + half)])
