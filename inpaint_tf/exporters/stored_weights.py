"""Weights of an exported file in 16 or 8 bits. The file computes in float32 in any case."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Numbers of an array that is worth storing in fewer bits; biases and constants stay float32.
LEAST = 256
PICTURE = 3  # channels
_KERNEL = 4  # dimensions
# The axis of the output channels of a kernel.
_ONNX_AXES = {"Conv": 0, "ConvTranspose": 1}


def quantized(kernel: Array, axis: int) -> tuple[Array, Array]:
    """Return a kernel as int8 numbers and the float32 scale of each output channel.

    Args:
        kernel: floats.
        axis: of the output channels.

    Example:
        >>> import numpy as np
        >>> from inpaint_tf.exporters.stored_weights import quantized
        >>> quantized(np.array([[1.0, -1.0], [0.0, 254.0]]), axis=0)[0]
        array([[ 127, -127],
               [   0,  127]], dtype=int8)
    """
    others = tuple(each for each in range(kernel.ndim) if each != axis)
    largest = np.abs(kernel.astype(np.float32)).max(others, keepdims=True)
    scale = np.where(largest > 0, largest, 1) / np.float32(127)
    return np.rint(kernel / scale).astype(np.int8), scale.ravel()


def shorten_onnx(proto: Any, precision: str) -> None:
    """Store the weights of an ONNX model in fewer bits, with a node that restores each.

    Args:
        proto: the model, which is changed.
        precision: `"float16"`, or `"int8"`: the kernels of convolutions as int8, with a scale for
            each output channel, and other large arrays as float16. Kernels whose output is a
            picture stay float32.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = proto.graph
    users = {name: node for node in graph.node for name in node.input}
    stored, restored = [], []
    for tensor in graph.initializer:
        name, user, array = tensor.name, users.get(tensor.name), numpy_helper.to_array(tensor)
        axis = _ONNX_AXES.get(user.op_type) if user else None
        if array.dtype != np.float32 or array.size < LEAST or _makes_picture(array, axis):
            stored.append(tensor)
            continue
        short = f"{name}:{precision}"
        if precision == "int8" and axis is not None:
            numbers, scale = quantized(array, axis)
            zero = np.zeros(len(scale), np.int8)
            arrays = {short: numbers, f"{name}:scale": scale, f"{name}:zero": zero}
            node = helper.make_node("DequantizeLinear", list(arrays), [name], axis=axis)
        else:
            arrays = {short: array.astype(np.float16)}
            node = helper.make_node("Cast", [short], [name], to=TensorProto.FLOAT)
        stored += [numpy_helper.from_array(value, key) for key, value in arrays.items()]
        restored.append(node)
    nodes = [*restored, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(stored)
    graph.node.extend(nodes)


def shorten_tflite(content: bytes) -> bytes:
    """Return a TensorFlow Lite model with kernels in float16 as one with kernels in int8.

    TensorFlow's converter writes int8 kernels only together with inputs that are rounded to int8 in
    every convolution, which costs more quality and, on a processor, more time.

    Args:
        content: of a file that the converter wrote for float16.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    codes = [each.builtinCode for each in model.operatorCodes]
    convolutions = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.TRANSPOSE_CONV)
    for graph in model.subgraphs:
        kernels = {op.inputs[1] for op in graph.operators if codes[op.opcodeIndex] in convolutions}
        for op in graph.operators:
            if codes[op.opcodeIndex] != schema.BuiltinOperator.DEQUANTIZE:
                continue
            tensor = graph.tensors[op.inputs[0]]
            if op.outputs[0] not in kernels or tensor.type != schema.TensorType.FLOAT16:
                continue
            buffer = model.buffers[tensor.buffer]
            array = np.frombuffer(bytes(buffer.data), np.float16).reshape(tensor.shape)
            if array.size < LEAST or _makes_picture(array, axis=0):
                continue
            numbers, scale = quantized(array, axis=0)
            buffer.data = np.frombuffer(numbers.tobytes(), np.uint8)
            tensor.type = schema.TensorType.INT8
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scale
            tensor.quantization.zeroPoint = np.zeros(len(scale), np.int64)
            tensor.quantization.quantizedDimension = 0
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _makes_picture(kernel: Array, axis: int | None) -> bool:
    return axis is not None and kernel.ndim == _KERNEL and kernel.shape[axis] == PICTURE
