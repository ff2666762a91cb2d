"""A lock on a run folder between processes, also of several hosts that share a disk.

A process that wants to write creates a lock file with a unique name, and then reads the lock files
of other processes. If one of these is alive, it deletes its own file and fails. The later of two
processes always sees the file of the earlier, so that they cannot both hold a folder. The lock file
of a dead process may be deleted by any process at any time.

A process on the same kernel, in any container, is alive as long as it holds the operating system's
lock (`flock`) on its file. If the disk does not support that, it is alive as long as a process of
its id and start time exists. A process of another host is alive as long as it touches its file
regularly, by the clock of the disk.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from neuralgym_lite.errors import UserError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

BEAT = 10.0  # seconds between two touches of the lock file
STALE = 120.0  # seconds without a touch after which a process is dead
ATTEMPTS = 6  # processes that start at the same moment may all see each other and withdraw
_PREFIX = "lock-"


@dataclass(frozen=True)
class _Holder:
    """The content of a lock file, which describes its process."""

    host: str
    pid: int
    since: str
    kernel: str
    namespace: str | None  # of process ids
    started: str | None
    flocked: bool


class RunLock:
    """Keeps other processes from writing to a folder, until the end of the `with` block.

    Readers need no lock. If a process is suspended for longer than `STALE` seconds, another host
    may take over its folder, and the process is not stopped when it continues.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._handle = -1
        self._released = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="run-lock", daemon=True)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *error: object) -> None:
        self._released.set()
        if self._beating.is_alive():
            self._beating.join()
        self._withdraw()

    def hold(self, folder: Path) -> None:
        """Lock an existing folder. An instance can hold one.

        Raises:
            UserError: if another process holds it.
        """
        for _ in range(ATTEMPTS):
            self._claim(folder)
            living = self._living_other(folder)
            if living is None:
                self._beating.start()
                return
            self._withdraw()
            time.sleep(random.uniform(0.02, 0.3))
        raise UserError(f"'{folder}' is in use by {living}. Wait for its end or stop it.")

    def _claim(self, folder: Path) -> None:
        path = folder / f"{_PREFIX}{uuid.uuid4().hex}.json"
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._path = path
        flocked = _flock(self._handle, "LOCK_EX") is True
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        holder = _Holder(
            host=socket.gethostname(),
            pid=os.getpid(),
            since=now,
            kernel=_kernel(),
            namespace=_namespace(),
            started=_started(os.getpid()),
            flocked=flocked,
        )
        os.write(self._handle, f"{json.dumps(asdict(holder))}\n".encode())
        os.fsync(self._handle)

    def _withdraw(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._path = None

    def _living_other(self, folder: Path) -> str | None:
        """Describe a living process that holds the folder, and delete lock files of dead ones."""
        now = os.fstat(self._handle).st_mtime
        for path in set(locks_in(folder)) - {self._path}:
            if living := _living(path, now):
                return living
            path.unlink(missing_ok=True)
        return None

    def _beat(self) -> None:
        while not self._released.wait(BEAT):
            # A disk that fails for a moment should not stop the training.
            with contextlib.suppress(OSError):
                os.utime(self._path or "")


def locks_in(folder: Path) -> Iterator[Path]:
    """Yield the lock files of a folder, whose processes may be dead."""
    return folder.glob(f"{_PREFIX}*.json")


def _living(path: Path, now: float) -> str | None:
    """Describe the process of a lock file, or return None if it is dead."""
    try:
        # Opening the file makes network file systems ask the server for its age, not a cache.
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        holder = _read(handle)
        age = now - os.fstat(handle).st_mtime
        locked = _flock(handle, "LOCK_SH", wait=False) is False
    finally:
        os.close(handle)
    if holder is None:  # the process has just started, or its disk is full
        return "a process that has just started" if age < STALE else None
    name = f"host '{holder.host}', process {holder.pid}, since {holder.since}"
    if holder.kernel == _kernel() and holder.flocked:
        return name if locked else None
    if holder.kernel == _kernel() and holder.namespace and holder.namespace == _namespace():
        return name if _started(holder.pid) == holder.started else None
    if age >= STALE:
        return None
    return f"{name} (last seen {max(age, 0):.0f} s ago; after {STALE:.0f} s it counts as dead)"


def _read(handle: int) -> _Holder | None:
    try:
        return _Holder(**json.loads(os.read(handle, 1 << 16)))
    except (OSError, ValueError, TypeError):
        return None


def _flock(handle: int, kind: str, wait: bool = True) -> bool | None:
    """Acquire an `flock`. Return False if another process has it, and None if unsupported."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, getattr(fcntl, kind) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _kernel() -> str:
    """Return an identifier of this boot of the kernel. Containers may share a host name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # Containers may share all other identifiers, so that every process gets its own.
        return uuid.uuid4().hex if sys.platform == "linux" else f"{uuid.getnode():x}"


def _namespace() -> str | None:
    """Return the namespace of the process ids, which differs between containers."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """Return the start time of a process, because process ids are reused."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
