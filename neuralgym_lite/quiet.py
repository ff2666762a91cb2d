"""Importing TensorFlow without the messages of its C++ libraries."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
ERRORS_ONLY = "2"


def import_tensorflow() -> None:
    """Import TensorFlow and list its devices, without its messages on stderr.

    `TF_CPP_MIN_LOG_LEVEL` is set to show only errors. That does not suppress messages from before
    the logging libraries are initialized, and a missing GPU is logged as an error. If the import
    fails or kills the process, all messages are printed. If the user has set the variable, nothing
    is suppressed.
    """
    if "tensorflow" in sys.modules or LEVEL in os.environ:
        return
    os.environ[LEVEL] = ERRORS_ONLY
    with held_back_stderr():
        importlib.import_module("tensorflow").config.list_physical_devices()


@contextlib.contextmanager
def held_back_stderr() -> Iterator[None]:
    """Suppress what Python and C++ write to file descriptor 2 in the block.

    It is printed if the block raises an exception or the process dies in it. If the platform cannot
    fork, or stderr is closed, nothing is suppressed.
    """
    if not hasattr(os, "fork") or sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    source, sink = os.pipe()
    # A process, not a file, keeps the messages, so that they are printed if this process dies:
    # TensorFlow aborts if the processor lacks an instruction set.
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
            # It is killed before its source is closed. Otherwise it would print.
            os.kill(keeper, signal.SIGKILL)
        os.dup2(stderr, 2)
        os.close(stderr)
        os.waitpid(keeper, 0)


def _keep(source: int, stderr: int) -> NoReturn:
    """Read until the pipe is closed, then print everything. Runs in the forked process."""
    try:
        # Ctrl-C is sent to all processes of the terminal. The parent decides when this one ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.dup2(stderr, 2)
        held = b"".join(iter(lambda: os.read(source, 65536), b""))
        while held:
            held = held[os.write(stderr, held) :]
    finally:
        os._exit(0)
