"""What differs between Keras' TensorFlow and JAX backends outside of a training step.

Import nothing of Keras before `import_backend`: Keras takes its backend when it is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from neuralgym_lite.errors import UserError, check_name
from neuralgym_lite.quiet import held_back_stderr, import_tensorflow, paused_garbage_collector

BACKENDS = ("tensorflow", "jax")
_VARIABLE = "KERAS_BACKEND"

Logs = Mapping[str, Any]


def import_backend(name: str | None = None, prefer_gpu: bool = False) -> str:
    """Choose the backend of Keras and import it.

    A backend that is given wins, then `KERAS_BACKEND`, then what the machine has: TensorFlow if it
    is installed, else JAX.

    Args:
        name: `"tensorflow"` or `"jax"`. Defaults to None, which chooses.
        prefer_gpu: Whether JAX is chosen where it sees a GPU and TensorFlow sees none. This
            imports both, which takes seconds.

    Returns:
        The name of the backend.

    Raises:
        UserError: If the backend is unknown or not installed, or another one is set.
    """
    fixed = os.environ.get(_VARIABLE)
    if loaded := sys.modules.get("keras"):
        fixed = loaded.backend.backend()
    if name and fixed and name != fixed:
        raise UserError(
            f"Backend '{name}' was given, but {_VARIABLE} or an earlier import of Keras has set "
            f"'{fixed}'. Leave one of them out."
        )
    chosen = name or fixed or _find_backend(prefer_gpu)
    check_name("backend", chosen, BACKENDS)
    if not is_installed(chosen):
        raise UserError(f"Backend '{chosen}' is not installed. Run: pip install '{chosen}'")
    if not loaded:
        os.environ[_VARIABLE] = chosen
    if is_installed("tensorflow"):  # Keras imports it when it saves, under JAX too.
        import_tensorflow()
    _import_keras()
    return chosen


def _import_keras() -> None:
    with paused_garbage_collector():
        importlib.import_module("keras")


def _find_backend(prefer_gpu: bool) -> str:
    """Return the best backend of this machine."""
    installed = [name for name in BACKENDS if is_installed(name)]
    if not installed:
        raise UserError("Neither TensorFlow nor JAX is installed. Run: pip install tensorflow")
    if len(installed) > 1 and prefer_gpu:
        import_tensorflow()
        if not _tensorflow_gpus() and jax_gpus():
            return "jax"
    return installed[0]


def is_installed(name: str) -> bool:
    """Return whether a package is installed, without importing it."""
    return importlib.util.find_spec(name) is not None


def sees_gpu() -> bool:
    """Return whether the backend of Keras sees a GPU."""
    return bool(jax_gpus() if is_jax() else _tensorflow_gpus())


def _tensorflow_gpus() -> list[Any]:
    return list(importlib.import_module("tensorflow").config.list_physical_devices("GPU"))


def jax_gpus() -> list[Any]:
    """Return the GPUs that JAX sees."""
    # JAX warns on stderr where there is a GPU but no driver for it.
    with contextlib.nullcontext() if "jax" in sys.modules else held_back_stderr():
        devices = importlib.import_module("jax").devices()
    return [device for device in devices if device.platform == "gpu"]


def is_jax() -> bool:
    """Return whether JAX is the backend of Keras."""
    return bool(importlib.import_module("keras").backend.backend() == "jax")


def compiled(
    function: Callable[..., Any],
    variables: Sequence[Any],
    shapes: Sequence[tuple[int | None, ...]] | None = None,
    dtypes: Sequence[str] | None = None,
) -> Callable[..., Any]:
    """Compile a function of arrays.

    Args:
        function: Returns tensors, in any structure.
        variables: Keras variables that `function` reads. Their current values are used in each
            call. It must assign to none.
        shapes: Shapes of the arguments. With None for a size, TensorFlow makes one graph for all
            sizes; JAX compiles each size anew. Defaults to None: the shapes of each call.
        dtypes: Dtypes of the arguments. Defaults to None: all are float32.
    """
    if not is_jax():
        import tensorflow as tf

        if shapes is None:
            return tf.function(function, autograph=False)
        dtypes = dtypes or ["float32"] * len(shapes)
        signature = [tf.TensorSpec(*pair) for pair in zip(shapes, dtypes, strict=True)]
        return tf.function(function, input_signature=signature, autograph=False)
    import jax
    import keras

    @jax.jit
    def stateless(values: list[Any], *arguments: Any) -> Any:
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(*arguments)

    def run(*arguments: Any) -> Any:
        return stateless([variable.value for variable in variables], *arguments)

    return run


def stateless_step(model: Any, step: Callable[[Any], Logs]) -> Callable[..., tuple[Logs, Any]]:
    """Return a train step in the form that Keras' JAX trainer takes: `(state, data)`.

    Args:
        model: The `keras.Model` whose variables `step` may assign to.
        step: Takes the data of a step and returns its logs.
    """
    import keras

    def stateless(state: Any, data: Any) -> tuple[Logs, Any]:
        groups = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        pairs = [
            pair
            for group, values in zip(groups, state, strict=True)
            for pair in zip(group, values, strict=True)
        ]
        with keras.StatelessScope(pairs) as scope:
            logs = step(keras.utils.unpack_x_y_sample_weight(data)[0])
        return logs, tuple([scope.get_current_value(each) for each in group] for group in groups)

    return stateless


def to_host(logs: list[Any]) -> list[Any]:
    """Wait until the logs of several steps are computed, and bring all of them to the host."""
    return list(importlib.import_module("jax").device_get(logs)) if is_jax() else logs


def device_errors() -> tuple[type[Exception], ...]:
    """Return what the backend raises when a computation fails, for one where memory is short."""
    if is_jax():
        return (importlib.import_module("jax").errors.JaxRuntimeError,)
    return (importlib.import_module("tensorflow").errors.OpError,)
