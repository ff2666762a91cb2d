"""Importing TensorFlow and JAX without what their C++ libraries write to stderr."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
ERRORS_ONLY = "2"


def import_tensorflow() -> None:
    """Import TensorFlow and list its devices, without what that writes to stderr.

    `TF_CPP_MIN_LOG_LEVEL` is set to show errors only. That alone is not enough: some lines are
    written before the logging libraries are set up, and a machine without a GPU counts as an error.
    If the import fails, or ends the process, everything is written after all. Where the user has
    set the variable, nothing is imported here, so that nothing is held back later.
    """
    if "tensorflow" in sys.modules or LEVEL in os.environ:
        return
    os.environ[LEVEL] = ERRORS_ONLY
    with held_back_stderr(), paused_garbage_collector():
        importlib.import_module("tensorflow").config.list_physical_devices()


@contextlib.contextmanager
def paused_garbage_collector() -> Iterator[None]:
    """Collect no garbage in the block, and leave what it made out of later collections.

    Next to nothing that an import makes is garbage, but Python looks at all of it again and again.
    That is a quarter of the time from the start of a process to the first fill by TensorFlow.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


@contextlib.contextmanager
def held_back_stderr() -> Iterator[None]:
    """Hold back what the block writes to file descriptor 2, C++ libraries included.

    The text is dropped, unless the block raises an exception or the process dies in it: then it is
    written. Where the platform cannot fork, or stderr is closed, nothing is held back.
    """
    if not hasattr(os, "fork") or sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    source, sink = os.pipe()
    # A second process, not a file, because TensorFlow aborts where the processor lacks an
    # instruction set: the reason must come out when this process is dead.
    keeper = os.fork()
    if keeper == 0:
        os.close(sink)
        _keep(source, stderr)
    os.close(source)
    os.dup2(sink, 2)
    os.close(sink)
    drop = True
    try:
        yield
    except Exception:
        drop = False
        raise
    finally:
        sys.stderr.flush()
        if drop:
            # Killed before the pipe closes, or it would write.
            os.kill(keeper, signal.SIGKILL)
        os.dup2(stderr, 2)
        os.close(stderr)
        os.waitpid(keeper, 0)


def _keep(source: int, stderr: int) -> NoReturn:
    """Read until the pipe closes, then write everything. Runs in the forked process."""
    try:
        # Ctrl-C reaches every process of the terminal, but the parent decides when this one ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.dup2(stderr, 2)
        held = b"".join(iter(lambda: os.read(source, 65536), b""))
        while held:
            held = held[os.write(stderr, held) :]
    finally:
        os._exit(0)
