"""Fixtures that all tests share."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402

# Two devices on one processor, for what is distributed; it must be said before any is used.
_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)

LONGEST_FIRST = {"docs", "survival", "serving", "cli", "training"}


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with golden numbers and photographs that are not in the repository."""
    folder = os.environ.get("INPAINT_TF_SHARED")
    if not folder:
        pytest.skip("INPAINT_TF_SHARED is not set: no golden numbers or photographs here")
    return Path(folder)


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """Folder of the golden numbers."""
    return shared / "golden"


@pytest.fixture(scope="session")
def two_replicas():
    """Return the one strategy of two replicas: TensorFlow mixes up the sums of several."""
    import tensorflow as tf

    from neuralgym_lite.distribution import make_strategy

    assert len(tf.config.list_logical_devices("CPU")) == 2
    return make_strategy("mirrored")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for all repeats of the tests that take long."""
    parser.addoption("--full", action="store_true", help="as many repeats as docs/results names")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of tests that run with that option only."""
    config.addinivalue_line("markers", "full: takes long, and is run with --full only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest, so that workers end together; skip what takes too long, say so."""
    items.sort(key=lambda item: LONGEST_FIRST.isdisjoint(item.path.parts))
    if not config.getoption("--full"):
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="takes long: run it with --full"))


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether all repeats are asked for."""
    return bool(request.config.getoption("--full"))


@pytest.fixture
def locked_folder(tmp_path, monkeypatch):
    """Make a folder `locked` that cannot be listed, not even by root."""
    (tmp_path / "locked").mkdir()
    listed = os.scandir

    def scandir(path):
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
