"""Fixtures that all tests share."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_exports import make_exports

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402

# Two devices on one processor, for what is distributed; it must be said before any is used.
_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)

# A graph is so many objects that Python would look for cycles among them all the time.
gc.set_threshold(10_000, 10, 10)

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


@pytest.fixture(scope="module", autouse=True)
def _few_objects() -> Iterator[None]:
    """Hide what earlier modules left from the garbage collector: looking through it takes long."""
    gc.collect()
    gc.freeze()
    yield


def _eagerly() -> Iterator[None]:
    """Train without graphs: to trace the graph of a step takes as long as ten eager steps.

    Previews and validation take 8 photographs of each split, not 64.
    """
    from inpaint_tf.training import preview, validation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preview, "SCORED", 8)
        patch.setattr(validation, "COUNT", 8)
        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)


eagerly = pytest.fixture(_eagerly)
eager_module = pytest.fixture(_eagerly, scope="module")


@pytest.fixture(scope="session")
def two_replicas():
    """Return the one strategy of two replicas: TensorFlow mixes up the sums of several."""
    import tensorflow as tf

    from neuralgym_lite.distribution import make_strategy

    assert len(tf.config.list_logical_devices("CPU")) == 2
    return make_strategy("mirrored")


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of `make_exports`, to be read only: made once for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / "exports", base / "exports-done"
    with (base / "exports-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make_exports(folder)
            done.touch()
    return folder


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
