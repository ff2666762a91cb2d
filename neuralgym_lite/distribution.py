"""Where a run computes: strategy, precision and compiler, chosen by name or by what is there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from neuralgym_lite.errors import UserError, did_you_mean

STRATEGIES = ("auto", "single", "mirrored", "multiworker")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
# First compute capability of NVIDIA's GPUs with bfloat16 matrix units.
_BFLOAT16_CAPABILITY = (8, 0)


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Return the strategy of this name.

    Args:
        name: `"single"`; `"mirrored"`: all GPUs of this machine (or logical CPU devices);
            `"multiworker"`: the machines that `TF_CONFIG` names; `"auto"`: mirrored where there
            are several GPUs, else single.

    Raises:
        UserError: if the name is unknown.
    """
    if name not in STRATEGIES:
        raise UserError(f"Unknown strategy: '{name}'. {did_you_mean(name, STRATEGIES)}")
    if name == "multiworker":
        _check_cluster()
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def is_chief(name: str) -> bool:
    """Return whether this process writes what a run leaves: of several machines, one does.

    Args:
        name: of the strategy, as `make_strategy` takes it.
    """
    if name != "multiworker":
        return True
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return bool(resolver.task_type == first and resolver.task_id == 0)


def agree_on(number: int, strategy: tf.distribute.Strategy) -> bool:
    """Return whether all processes have the same number; all of them must call it."""
    if not spans_machines(strategy):
        return True

    def mean() -> tf.Tensor:
        own = tf.constant(number, tf.float64)
        return tf.distribute.get_replica_context().all_reduce("MEAN", own)

    means = strategy.experimental_local_results(strategy.run(mean))
    return all(float(each) == number for each in means)


def spans_machines(strategy: tf.distribute.Strategy) -> bool:
    """Return whether other processes take part."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def choose_precision(name: str) -> str:
    """Return the Keras dtype policy: `"auto"` is bfloat16 where the processor multiplies in it.

    Raises:
        UserError: if the name is unknown.
    """
    if name not in PRECISIONS:
        raise UserError(f"Unknown precision: '{name}'. {did_you_mean(name, PRECISIONS)}")
    if name != "auto":
        return name
    return "float32" if emulates_bfloat16() else "mixed_bfloat16"


def emulates_bfloat16() -> bool:
    """Return whether what computes here has no bfloat16 of its own, so that it is slow."""
    return not _multiplies_bfloat16()


def compiles() -> bool:
    """Return whether XLA pays: on GPUs, but not on CPUs (measured slower)."""
    return bool(tf.config.list_physical_devices("GPU"))


def accelerators() -> list[str]:
    """Return the models of the GPUs that Keras' backend sees, one each."""
    if keras.backend.backend() == "jax":
        return [str(gpu.device_kind) for gpu in _jax_gpus()]
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [each.get("device_name", "GPU") for each in details]


def _check_cluster() -> None:
    """Refuse a `TF_CONFIG` without machines: TensorFlow would train alone and say nothing."""
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


def _multiplies_bfloat16() -> bool:
    if keras.backend.backend() == "jax" and (gpus := _jax_gpus()):
        major, minor = gpus[0].compute_capability.split(".")
        return (int(major), int(minor)) >= _BFLOAT16_CAPABILITY
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("compute_capability", (0, 0)) >= _BFLOAT16_CAPABILITY
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8").split() if cpu.is_file() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _jax_gpus() -> list[Any]:
    import jax

    return [device for device in jax.devices() if device.platform == "gpu"]
