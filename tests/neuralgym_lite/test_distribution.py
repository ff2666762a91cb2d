"""Strategy and precision by name, or by what the machine has."""

from __future__ import annotations

import pytest
import tensorflow as tf

from neuralgym_lite import distribution
from neuralgym_lite.distribution import choose_precision, compiles, make_strategy
from neuralgym_lite.errors import UserError


@pytest.fixture
def pretend_gpu(monkeypatch):
    """Make it look as if there were a GPU of this compute capability."""

    def pretend(capability):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
        details = {"compute_capability": capability}
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)

    return pretend


@pytest.fixture
def pretend_cpu(monkeypatch, tmp_path):
    """Make it look as if there were no GPU and a CPU with these flags."""

    def pretend(flags):
        file = tmp_path / "cpuinfo"
        if flags is not None:
            file.write_text(f"processor : 0\nflags : fpu {flags} sse\n")
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
        monkeypatch.setattr(distribution, "Path", lambda name: file)

    return pretend


def test_single_is_the_default_strategy():
    assert make_strategy("single") is tf.distribute.get_strategy()
    assert make_strategy("single").num_replicas_in_sync == 1


def test_mirrored_uses_all_logical_devices():
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    strategy = make_strategy("mirrored")
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == len(tf.config.list_logical_devices(kind))


def test_auto_is_single_without_several_gpus(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    assert make_strategy("auto") is tf.distribute.get_strategy()


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16"])
def test_precision_by_name(name, pretend_cpu):
    pretend_cpu("")
    assert choose_precision(name) == name


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((7, 5), "float32"), ((8, 0), "mixed_bfloat16"), ((9, 0), "mixed_bfloat16")],
)
def test_precision_of_gpus(pretend_gpu, capability, precision):
    pretend_gpu(capability)
    assert choose_precision("auto") == precision


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("avx2 avx512f", "float32"),
        ("avx512_bf16", "mixed_bfloat16"),
        ("amx_bf16", "mixed_bfloat16"),
        (None, "float32"),
    ],
)
def test_precision_of_cpus(pretend_cpu, flags, precision):
    pretend_cpu(flags)
    assert choose_precision("auto") == precision


def test_compiles_on_gpus_only(pretend_gpu, pretend_cpu):
    pretend_gpu((8, 0))
    assert compiles() is True
    pretend_cpu("")
    assert compiles() is False


def test_unknown_strategy():
    with pytest.raises(UserError, match="Unknown strategy: 'miror'. Did you mean 'mirrored'"):
        make_strategy("miror")


def test_unknown_precision():
    with pytest.raises(UserError, match="Unknown precision: 'bfloat16'. Did you mean"):
        choose_precision("bfloat16")
