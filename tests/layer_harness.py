"""What every layer and network must do, whatever it computes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Inputs = tuple[Any, ...]


def run_layer_test(
    make: Callable[..., keras.layers.Layer],
    inputs: Inputs,
    expected_output_shape: Any,
    weights: int,
    non_trainable: int = 0,
    supports_bfloat16: bool = True,
    bfloat16_output: str = "bfloat16",
) -> None:
    """Check serialization, counts, the ways to call, gradients and dtypes.

    Args:
        make: returns a fresh layer; takes `dtype`.
        inputs: positional arguments of a call: arrays, None or structures of them.
        expected_output_shape: of the outputs, in their structure.
        weights: exact number of trainable numbers.
        non_trainable: exact number of the others.
        supports_bfloat16: whether it runs under `mixed_bfloat16`.
        bfloat16_output: dtype of its float outputs there.
    """
    keras.utils.set_random_seed(0)
    layer = make(dtype="float32")
    outputs = layer(*inputs)
    check_outputs(outputs, expected_output_shape, "float32")
    assert count(layer.trainable_weights) == weights
    assert count(layer.non_trainable_weights) == non_trainable

    check_config(layer, inputs, outputs)
    check_saving(layer, inputs, outputs)
    check_symbolic_call(layer, inputs, outputs)
    assert_close(tf.function(layer)(*inputs), outputs)
    check_gradients(layer, inputs)
    if supports_bfloat16:
        check_bfloat16(make(dtype="mixed_bfloat16"), inputs, expected_output_shape, bfloat16_output)


def check_config(layer: keras.layers.Layer, inputs: Inputs, outputs: Any) -> None:
    """A layer made again from its config in JSON has the same config, and weights that fit."""
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    again(*inputs)
    again.set_weights(layer.get_weights())
    assert_close(again(*inputs), outputs)


def check_saving(layer: keras.layers.Layer, inputs: Inputs, outputs: Any) -> None:
    """A `.keras` file brings the layer back with its weights."""
    model = layer
    if not isinstance(layer, keras.Model):
        symbols = symbolic(inputs, keras.Input)
        model = keras.Model(flat(symbols), flat(layer(*symbols)))
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        with warnings.catch_warnings():
            # Keras turns variables into arrays in a way that NumPy 2.4 speaks against.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            model.save(path)
        loaded = keras.saving.load_model(path)
    if model is layer:
        assert loaded.get_config() == layer.get_config()
        assert_close(loaded(*inputs), outputs)
    else:
        assert_close(loaded(flat(inputs)), flat(outputs)[0])


def check_symbolic_call(layer: keras.layers.Layer, inputs: Inputs, outputs: Any) -> None:
    """A call on shapes alone gives the shapes and dtypes that a call on numbers gives."""
    known = flat(
        layer(*symbolic(inputs, lambda **kwargs: keras.KerasTensor(**known_batch(kwargs))))
    )
    batchless = flat(layer(*symbolic(inputs, keras.Input)))
    for symbol, open_batch, output in zip(known, batchless, flat(outputs), strict=True):
        assert tuple(symbol.shape) == tuple(output.shape)
        assert tuple(open_batch.shape) == (None, *output.shape[1:])
        assert symbol.dtype == open_batch.dtype == keras.backend.standardize_dtype(output.dtype)


def check_gradients(layer: keras.layers.Layer, inputs: Inputs) -> None:
    """Every trainable weight and float input gets a finite gradient; no weight's is all zero.

    They are taken as in training: not every CPU has those of all that is fused at inference.
    """
    sources = [tf.constant(x) for x in flat(inputs) if x.dtype == np.float32]
    with tf.GradientTape() as tape:
        for source in sources:
            tape.watch(source)
        rest = iter(sources)
        watched = tf.nest.map_structure(
            lambda x: x if x is None or x.dtype != np.float32 else next(rest), inputs
        )
        rng = np.random.default_rng(0)
        total = sum(
            tf.reduce_sum(output * rng.normal(size=output.shape).astype("float32"))
            for output in flat(layer(*watched, training=True))
            if output.dtype == tf.float32
        )
    variables = layer.trainable_variables
    gradients = tape.gradient(total, [*(v.value for v in variables), *sources])
    for variable, gradient in zip(variables, gradients, strict=False):
        assert gradient is not None, f"no gradient: {variable.path}"
        assert np.isfinite(gradient).all(), f"gradient not finite: {variable.path}"
        assert np.any(gradient), f"gradient is zero: {variable.path}"
    for gradient in gradients[len(variables) :]:
        assert gradient is None or np.isfinite(gradient).all()


def check_bfloat16(
    layer: keras.layers.Layer, inputs: Inputs, shape: Any, output_dtype: str
) -> None:
    """Under `mixed_bfloat16` outputs are finite, of the promised dtype; variables are float32."""
    outputs = layer(*inputs)
    check_outputs(outputs, shape, output_dtype)
    assert all(variable.dtype == "float32" for variable in layer.variables)
    for output in flat(outputs):
        assert np.isfinite(np.asarray(output, "float32")).all()
    dtypes = [symbol.dtype for symbol in flat(layer(*symbolic(inputs, keras.Input)))]
    assert dtypes == [keras.backend.standardize_dtype(output.dtype) for output in flat(outputs)]


def check_outputs(outputs: Any, shape: Any, float_dtype: str) -> None:
    """Outputs have these shapes; those that are floats have this dtype."""
    shapes = tf.nest.map_structure(lambda x: None if x is None else Shape(x.shape), outputs)
    assert shapes == as_shapes(shape)
    for output in flat(outputs):
        if output.dtype.is_floating:
            assert output.dtype.name == float_dtype


def assert_close(actual: Any, expected: Any, atol: float = 1e-5) -> None:
    """Two structures of numbers are alike."""
    for left, right in zip(flat(actual), flat(expected), strict=True):
        np.testing.assert_allclose(left, right, atol=atol)


class Shape:
    """A shape that `tf.nest` does not look into."""

    def __init__(self, sizes: Any) -> None:
        self.sizes = tuple(sizes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and self.sizes == other.sizes

    def __hash__(self) -> int:
        return hash(self.sizes)

    def __repr__(self) -> str:
        return str(self.sizes)


def as_shapes(structure: Any) -> Any:
    """Turn the tuples of integers in a structure into shapes."""
    if structure is None:
        return None
    if isinstance(structure, dict):
        return {name: as_shapes(value) for name, value in structure.items()}
    if all(isinstance(size, int) for size in structure):
        return Shape(structure)
    return tuple(as_shapes(value) for value in structure)


def symbolic(inputs: Inputs, make: Callable[..., Any]) -> Any:
    """Replace the arrays of a structure by symbols without a known batch size."""
    return tf.nest.map_structure(
        lambda x: None if x is None else make(batch_shape=(None, *x.shape[1:]), dtype=x.dtype.name),
        inputs,
    )


def known_batch(kwargs: dict[str, Any], batch: int = 2) -> dict[str, Any]:
    """Return the arguments of a KerasTensor with a known batch size."""
    return {"shape": (batch, *kwargs["batch_shape"][1:]), "dtype": kwargs["dtype"]}


def flat(structure: Any) -> list[Any]:
    """List the tensors of a structure."""
    return [x for x in tf.nest.flatten(structure) if x is not None]


def count(variables: list[Any]) -> int:
    """Count the numbers in variables."""
    return sum(int(np.prod(variable.shape)) for variable in variables)


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Return normal float32 numbers."""
    values = np.random.default_rng(seed).normal(size=shape) * scale
    return values.astype("float32")


def lively(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Double the kernels of a built layer: fresh ReLU networks let signals fade to nothing."""
    layer.set_weights([2 * x if x.ndim > 1 else x for x in layer.get_weights()])
    return layer


def weights_of_chain(channels: int, *convs: tuple[int, int]) -> int:
    """Count the weights of convolutions (side of the kernel, channels out) in a row."""
    total = 0
    for side, filters in convs:
        total += side * side * channels * filters + filters
        channels = filters
    return total


def count_outside_norms(layer: keras.layers.Layer) -> int:
    """Count the numbers in a layer without those of its batch normalisations."""
    return count([weight for weight in layer.weights if "norm/" not in weight.path])
