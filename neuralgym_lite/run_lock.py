"""One process at a time writes into a run folder, also where several hosts share the disk.

Each process that wants to write makes a lock file of its own name, and then looks at those of
others. If one of them lives, it takes its own away again and is refused. Whoever comes second sees
the first, so that no two can hold a folder, and a dead lock can be removed by anyone at any time.

A process of the same kernel (in any of its containers) lives as long as it holds the operating
system's lock on its file, or, on a disk that has no such locks, as long as its process id belongs
to a process of the same start time. A process of another host lives as long as it touches its file.
How old that is, is told by the disk's clock.
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
from types import ModuleType, TracebackType

from neuralgym_lite.errors import UserError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

BEAT = 10.0  # seconds between two touches
STALE = 120.0  # seconds: a processor, a disk or a network may be busy for a while
ATTEMPTS = 6  # of some that come at the same moment all may see each other and withdraw
_PREFIX = "lock-"


@dataclass(frozen=True)
class _Holder:
    """What a lock file says of its process."""

    host: str
    pid: int
    since: str
    kernel: str
    namespace: str | None  # of process ids
    started: str | None
    flocked: bool


class RunLock:
    """Keeps other processes from writing into a folder, until the `with` block is left.

    Readers need no lock. A process that was suspended for longer than `STALE` while another host
    took its folder over is not stopped when it goes on.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._handle = -1
        self._released = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="run-lock", daemon=True)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        if self._beating.is_alive():
            self._beating.join()
        self._withdraw()

    def hold(self, folder: Path) -> None:
        """Hold a folder from now on; a lock holds one.

        Args:
            folder: must exist.

        Raises:
            UserError: if another process holds it.
        """
        for attempt in range(ATTEMPTS):
            self._claim(folder)
            living = self._living_other(folder)
            if living is None:
                self._beating.start()
                return
            self._withdraw()
            if attempt + 1 < ATTEMPTS:
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
        """Describe another process that holds the folder; remove the locks of dead ones."""
        now = os.fstat(self._handle).st_mtime
        for path in locks_in(folder):
            if path == self._path:
                continue
            living = _living(path, now)
            if living is not None:
                return living
            path.unlink(missing_ok=True)
        return None

    def _beat(self) -> None:
        while not self._released.wait(BEAT):
            # A disk that does not answer for a moment is no reason to stop.
            with contextlib.suppress(OSError):
                os.utime(self._path or "")


def locks_in(folder: Path) -> Iterator[Path]:
    """Yield the lock files of a folder, whose processes may be dead."""
    return folder.glob(f"{_PREFIX}*.json")


def _living(path: Path, now: float) -> str | None:
    """Describe the process of a lock file, or return None if it is dead."""
    try:
        # Opened, as the file's age is then asked of the server and not of a cache.
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        holder = _read(handle)
        age = now - os.fstat(handle).st_mtime
        locked = _flock(handle, "LOCK_SH", wait=False) is False
    finally:
        os.close(handle)
    if holder is None:  # it has only just come, or its disk was full
        return "a process that has just begun" if age < STALE else None
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
    """Take the operating system's lock; False if another has it, None if there is no such lock."""
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
    """Return what this boot of this kernel has alone: containers may share a host's name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # Where containers may share names and addresses too, nobody is of one's own kernel.
        return uuid.uuid4().hex if sys.platform == "linux" else f"{uuid.getnode():x}"


def _namespace() -> str | None:
    """Return what tells the process ids of one container from those of another."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """Return when a process was started, by which it is known from a later one of its number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
