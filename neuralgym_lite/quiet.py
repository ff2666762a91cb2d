"""TensorFlow without the talk of its C++ libraries, for programs whose stderr is their own."""

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
    """Import TensorFlow and look for its devices; what that writes to stderr is held back.

    `TF_CPP_MIN_LOG_LEVEL` is set to show errors only, but does not reach the lines that are
    written before the logging libraries are set up, and a machine without a GPU is told of as an
    error. Should the import fail, or end the process, all of it comes out. So it does at once
    where the user has set the variable.
    """
    if "tensorflow" in sys.modules or LEVEL in os.environ:
        return
    os.environ[LEVEL] = ERRORS_ONLY
    with held_back_stderr():
        importlib.import_module("tensorflow").config.list_physical_devices()


@contextlib.contextmanager
def held_back_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, by C++ too, until the block is left.

    It is dropped, unless the block raises an exception or the process dies in it: then it comes
    out. Where the platform cannot fork, or stderr is closed, nothing is held back.
    """
    if not hasattr(os, "fork") or sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    source, sink = os.pipe()
    # A file in place of the keeper would hide why a process died: TensorFlow aborts where the
    # processor lacks an instruction set.
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
            # Before its source ends, or it would write.
            os.kill(keeper, signal.SIGKILL)
        os.dup2(stderr, 2)
        os.close(stderr)
        os.waitpid(keeper, 0)


def _keep(source: int, stderr: int) -> NoReturn:
    """Read until nobody can write any more, then write it all out. Runs in the forked process."""
    try:
        # Ctrl-C goes to every process of the terminal; what becomes of this one its parent says.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.dup2(stderr, 2)
        held = b"".join(iter(lambda: os.read(source, 65536), b""))
        while held:
            held = held[os.write(stderr, held) :]
    finally:
        os._exit(0)
