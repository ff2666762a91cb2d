"""The parts of a network with contextual attention, run by ONNX Runtime: no Keras, no TensorFlow.

The graphs come with the install and have no weights (`tools/ship_onnx.py` writes them). Those of
any `.keras` file of their network are put into them.
"""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from inpaint_tf.inference.attention import attend
from inpaint_tf.inference.engines import need
from inpaint_tf.inference.stages import Array, Part, Stages

GRAPHS = Path(__file__).with_name("graphs")
FACTS = "parts.json"
# Of the networks whose graphs come with the install.
WIDTH, COMPAT = 32, "keras"


def onnx_stages(weights: bytes) -> Stages:
    """Return the parts of a network.

    Args:
        weights: the HDF5 file of a `.keras` file, checked.

    Raises:
        UserError: if ONNX Runtime is not installed.
        LookupError: if weights are missing.
        ValueError: if weights have other shapes.
    """
    facts = json.loads((GRAPHS / FACTS).read_text(encoding="utf-8"))
    with h5py.File(io.BytesIO(weights), "r") as file:
        guess, features, decode = (
            _part(name, {each: _tensor(file, each, shape) for each, shape in shapes.items()})
            for name, shapes in facts.pop("weights").items()
        )
    return Stages(
        guess=guess,
        features=features,
        attend=partial(attend, compat=COMPAT),
        decode=decode,
        width=WIDTH,
        errors=(MemoryError, RuntimeError),
        **facts,
    )


def _part(name: str, weights: dict[str, Array]) -> Part:
    """Return a part with its weights."""
    runtime = need("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    values = [runtime.OrtValue.ortvalue_from_numpy(each) for each in weights.values()]
    options.add_external_initializers(list(weights), values)
    file, providers = str(GRAPHS / f"{name}.onnx"), ["CPUExecutionProvider"]
    session = runtime.InferenceSession(file, options, providers=providers)
    names = [each.name for each in session.get_inputs()]

    def run(*inputs: Any) -> Array:
        *pictures, box = inputs
        arrays = [*(each[None].astype(np.float32) for each in pictures), np.array(box, np.int64)]
        return np.asarray(session.run(None, dict(zip(names, arrays, strict=True)))[0][0])

    return run


def _tensor(file: h5py.File, name: str, shape: list[int]) -> Array:
    """Return weights of a `.keras` file in the layout of ONNX."""
    values = np.asarray(file[name], np.float32)
    if values.ndim == 4 and shape[-1] != values.shape[0]:
        # A convolution after an upsampling is a transposed one, whose kernel is ours, convolved
        # with the ones of the upsampling.
        values = values[::-1, ::-1]
        for axis in (0, 1):
            before = np.pad(values, [(int(axis == each), 0) for each in range(4)])
            values = before + np.pad(values, [(0, int(axis == each)) for each in range(4)])
        values = values.transpose(2, 3, 0, 1)
    elif values.ndim == 4:
        values = values.transpose(3, 2, 0, 1)
    if list(values.shape) != shape:
        raise ValueError(f"{name} has the shape {values.shape}, not {shape}")
    return np.ascontiguousarray(values)
