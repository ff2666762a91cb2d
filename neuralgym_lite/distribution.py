"""Where a run computes: strategy, precision and compiler, by name or by what the machine has."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from neuralgym_lite.backend import is_jax, jax_gpus
from neuralgym_lite.errors import UserError, check_name

STRATEGIES = ("auto", "single", "mirrored", "multiworker")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
# First compute capability of NVIDIA's GPUs with bfloat16 matrix units.
_BFLOAT16_CAPABILITY = (8, 0)


def make_strategy(name: str) -> Any:
    """Return the strategy of this name.

    Args:
        name: `"single"`; `"mirrored"`: all GPUs of this machine (or logical CPU devices);
            `"multiworker"`: the machines that `TF_CONFIG` names; `"auto"`: mirrored where there
            are several GPUs, else single.

    Returns:
        A `tf.distribute.Strategy`, or under JAX an object with the attributes of one device's.

    Raises:
        UserError: If the strategy is unknown, or the backend does not have it.
    """
    check_strategy(name)
    if is_jax():
        return SimpleNamespace(num_replicas_in_sync=1, scope=contextlib.nullcontext)
    import tensorflow as tf

    if name == "multiworker":
        _check_cluster()
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def check_strategy(name: str) -> None:
    """Raise a UserError if a strategy is unknown, or the backend does not have it."""
    check_name("strategy", name, STRATEGIES)
    if is_jax() and name in ("mirrored", "multiworker"):
        raise UserError(
            f"JAX trains on one device, so that strategy '{name}' takes TensorFlow. Choose "
            "backend 'tensorflow' or strategy 'single'."
        )


def replicas() -> int:
    """Return the number of replicas in the strategy whose scope this is called in."""
    if is_jax():
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def is_chief(name: str) -> bool:
    """Return whether this process writes the files of a run: one of several machines does."""
    if name != "multiworker" or is_jax():
        return True
    import tensorflow as tf

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return bool(resolver.task_type == first and resolver.task_id == 0)


def agree_on(number: int, strategy: Any) -> bool:
    """Return whether all processes have the same number. All of them must call it."""
    if not spans_machines(strategy):
        return True
    import tensorflow as tf

    def mean() -> Any:
        own = tf.constant(number, tf.float64)
        return tf.distribute.get_replica_context().all_reduce("MEAN", own)

    means = strategy.experimental_local_results(strategy.run(mean))
    return all(float(each) == number for each in means)


def spans_machines(strategy: Any) -> bool:
    """Return whether other processes take part in a strategy."""
    if is_jax():
        return False
    import tensorflow as tf

    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


@contextlib.contextmanager
def lost_workers() -> Iterator[None]:
    """Turn the errors that TensorFlow raises when another machine is gone into a UserError."""
    if "TF_CONFIG" not in os.environ or is_jax():
        yield
        return
    from tensorflow import errors

    try:
        yield
    except (errors.UnavailableError, errors.AbortedError, errors.InternalError) as error:
        raise UserError(
            f"Another machine was lost ({type(error).__name__}). Start all of them again with "
            "`resume`: they go on from the last checkpoint."
        ) from error


def choose_precision(name: str) -> str:
    """Return the Keras dtype policy. `"auto"` is bfloat16 where the processor multiplies in it.

    Raises:
        UserError: If the name is unknown.
    """
    check_name("precision", name, PRECISIONS)
    if name != "auto":
        return name
    return "float32" if emulates_bfloat16() else "mixed_bfloat16"


def emulates_bfloat16() -> bool:
    """Return whether bfloat16 is slow here, because the device has no instructions for it."""
    if gpus := _gpus():
        _, capability = gpus[0]
        return tuple(map(int, capability)) < _BFLOAT16_CAPABILITY
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8").split() if cpu.is_file() else []
    return not {"avx512_bf16", "amx_bf16"} & set(flags)


def compiles() -> bool:
    """Return whether the training step is compiled by XLA.

    JAX always compiles. TensorFlow does on GPUs; on CPUs it was measured to be slower.
    """
    return is_jax() or bool(_gpus())


def accelerators() -> list[str]:
    """Return the model names of the GPUs that the backend of Keras sees."""
    return [name for name, _ in _gpus()]


def _check_cluster() -> None:
    """Refuse a `TF_CONFIG` without machines: TensorFlow would silently train alone."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text or "{}")
        named = config["cluster"], config["task"]["type"], config["task"]["index"]
    except (ValueError, LookupError, TypeError):
        named = None
    if not named:
        raise UserError(
            "Strategy 'multiworker' needs TF_CONFIG with 'cluster' and 'task', as TensorFlow "
            f"defines it, on each machine. Received: TF_CONFIG={text!r}"
        )


def _gpus() -> list[tuple[str, Sequence[Any]]]:
    """Return the model name and the compute capability of each GPU that the backend sees."""
    if is_jax():
        return [(str(gpu.device_kind), gpu.compute_capability.split(".")) for gpu in jax_gpus()]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [
        (each.get("device_name", "GPU"), each.get("compute_capability", (0, 0))) for each in details
    ]
