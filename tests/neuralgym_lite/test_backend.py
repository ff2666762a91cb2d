"""The choice of a backend."""

from __future__ import annotations

import os
import sys

import pytest
import tensorflow as tf

from neuralgym_lite import backend
from neuralgym_lite.backend import import_backend
from neuralgym_lite.errors import UserError


@pytest.fixture
def machine(monkeypatch):
    """Pretend that Keras is not imported yet, and that the machine has certain things."""

    def pretend(installed, variable=None, tensorflow_gpus=0, jax_gpus=0):
        monkeypatch.setitem(sys.modules, "keras", None)
        monkeypatch.setattr(backend, "_import_keras", lambda: None)
        monkeypatch.setenv("KERAS_BACKEND", variable or "")  # Restored even if it was not set.
        if not variable:
            monkeypatch.delenv("KERAS_BACKEND")
        monkeypatch.setattr(backend, "is_installed", lambda name: name in installed)
        monkeypatch.setattr(backend, "jax_gpus", lambda: ["gpu"] * jax_gpus)
        gpus = ["gpu"] * tensorflow_gpus
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: gpus)

    return pretend


BOTH = ("tensorflow", "jax")


@pytest.mark.parametrize(
    ("installed", "tensorflow_gpus", "jax_gpus", "expected"),
    [
        (BOTH, 0, 0, "tensorflow"),
        (BOTH, 1, 1, "tensorflow"),
        (BOTH, 0, 1, "jax"),
        (("tensorflow",), 0, 1, "tensorflow"),
        (("jax",), 0, 0, "jax"),
    ],
)
def test_a_training_takes_what_sees_the_gpu(
    machine, installed, tensorflow_gpus, jax_gpus, expected
):
    machine(installed, None, tensorflow_gpus, jax_gpus)
    assert import_backend(prefer_gpu=True) == expected
    assert os.environ["KERAS_BACKEND"] == expected


def test_others_take_what_is_installed(machine):
    machine(BOTH, None, 0, 1)
    assert import_backend() == "tensorflow"


@pytest.mark.parametrize("name", BOTH)
def test_the_environment_wins_over_what_the_machine_has(machine, name):
    machine(BOTH, name, tensorflow_gpus=int(name == "jax"), jax_gpus=int(name != "jax"))
    assert import_backend(prefer_gpu=True) == name


@pytest.mark.parametrize(
    ("installed", "variable", "name", "message"),
    [
        (BOTH, "tensorflow", "jax", "Backend 'jax' was given, but .*'tensorflow'"),
        (BOTH, None, "jex", "Unknown backend: 'jex'. Did you mean 'jax'"),
        (BOTH, "torch", None, "Unknown backend: 'torch'"),
        (("tensorflow",), None, "jax", "'jax' is not installed. Run: pip install 'jax'"),
        ((), None, None, "Neither TensorFlow nor JAX is installed"),
    ],
)
def test_refusals(machine, installed, variable, name, message):
    machine(installed, variable)
    with pytest.raises(UserError, match=message):
        import_backend(name)


def test_keras_keeps_the_backend_that_it_was_imported_with(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert import_backend() == "tensorflow"
    assert "KERAS_BACKEND" not in os.environ
