"""Weights in fewer bits are restored to what they were, up to half a step."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from layer_harness import random
from onnx import TensorProto, helper, numpy_helper

from inpaint_tf.exporters.stored_weights import quantized, shorten_onnx


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_kernels_are_restored(axis):
    kernel = random(6, 5, 3, 4)
    kernel[(slice(None),) * axis + (0,)] = 0
    numbers, scale = quantized(kernel, axis)
    shape = [-1 if each == axis else 1 for each in range(4)]
    error = np.abs(numbers * scale.reshape(shape) - kernel)
    assert numbers.dtype == np.int8 and np.abs(numbers).max() == 127
    assert np.all(error <= scale.reshape(shape) * 0.501)


def model(kind, kernel):
    """One convolution and its bias."""
    channels = kernel.shape[0 if kind == "Conv" else 1]
    bias = random(channels)
    weights = [numpy_helper.from_array(kernel, "w"), numpy_helper.from_array(bias, "b")]
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size, None, None])
        for name, size in (("x", kernel.shape[1 if kind == "Conv" else 0]), ("y", channels))
    ]
    node = helper.make_node(kind, ["x", "w", "b"], ["y"])
    graph = helper.make_graph([node], "one", tensors[:1], tensors[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(proto, x):
    import onnxruntime

    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize(("precision", "size", "most"), [("float16", 2, 1e-3), ("int8", 1, 2e-2)])
def test_onnx(kind, precision, size, most):
    kernel, x = random(16, 16, 3, 3), random(1, 16, 8, 8)
    proto = model(kind, kernel)
    expected, length = run(proto, x), proto.ByteSize()
    shorten_onnx(proto, precision)
    assert length - proto.ByteSize() > kernel.nbytes * (1 - size / 4) - 600
    assert np.abs(run(proto, x) - expected).max() <= most * np.abs(expected).max()


@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("shape", [(3, 64, 3, 3), (4, 4, 3, 3)])
def test_pictures_and_small_arrays_stay(precision, shape):
    proto = model("Conv", random(*shape))
    before = proto.SerializeToString()
    shorten_onnx(proto, precision)
    assert proto.SerializeToString() == before
