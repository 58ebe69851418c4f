"""One process at a time: locks that the system frees when their holder dies.

Where the file system knows no locks (some network and FUSE mounts), a marker file that names its
holder takes their place: one of a dead process of this machine is taken over, one of another
machine stays until it is deleted there or by hand.
"""

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from benchmark.system.console import say
from benchmark.system.files import storage_error

WAIT = "wait for it; see: python -m benchmark status"
_MARKER = ".held"
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


@contextmanager
def held(path: Path, work: str) -> Iterator[None]:
    """Hold the lock file ``path`` inside the block; who finds it taken says so and waits.

    Args:
        path: of the lock file; its folder is created.
        work: what the holder does, for the message.

    Raises:
        StorageError: the folder cannot be written.
    """
    lock = attempt(path)
    if lock is None:
        holder = holder_of(path)
        more = f" ({advice(path)})" if holder else ""
        say("waiting", f"for another process that {work}{more}")
        lock = attempt(path, -1)
    assert lock is not None
    try:
        yield
    finally:
        lock.release()


def attempt(path: Path, seconds: float = 0.0) -> BaseFileLock | None:
    """The lock of ``path``, held, or None if another process holds it.

    Args:
        path: of the lock file; its folder is created.
        seconds: how long to wait for it; below 0 for as long as it takes.

    Raises:
        StorageError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _has_locks(path.parent):
            return _acquired(SoftFileLock(marker_of(path)), seconds)
        lock = _acquired(FileLock(path), seconds)
        if lock is not None and not _unmarked(path, seconds):
            lock.release()
            return None
        return lock
    except OSError as error:
        raise storage_error(path.parent, error) from error


def _acquired(lock: BaseFileLock, seconds: float) -> BaseFileLock | None:
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return None
    return lock


def _unmarked(path: Path, seconds: float) -> bool:
    """Whether no machine that mounts the folder without locks is at work; its marker says so."""
    if not marker_of(path).exists():
        return True
    lock = _acquired(SoftFileLock(marker_of(path)), seconds)
    if lock is not None:
        lock.release()
    return lock is not None


@cache
def _has_locks(folder: Path) -> bool:
    """Whether the file system of a folder knows locks, tried on a file of our own."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return _flock(file.fileno(), fcntl.LOCK_EX) is not None


def _flock(descriptor: int, kind: int) -> bool | None:
    """Whether a lock was got at once; None where the file system knows none."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def marker_of(path: Path) -> Path:
    """The file that stands for the lock ``path`` where the file system knows no locks."""
    return path.with_name(path.name + _MARKER)


@dataclass(frozen=True)
class Holder:
    """Who wrote a marker.

    Attributes:
        process: its number.
        host: name of its machine.
    """

    process: int
    host: str

    @property
    def dead(self) -> bool:
        """Whether it is a process of this machine that is no more."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock ``path`` by a marker; None without one, or one that cannot be read."""
    try:
        process, host, *_ = marker_of(path).read_text(encoding="utf-8").split("\n")
        return Holder(int(process), host)
    except (OSError, ValueError):
        return None


def advice(path: Path) -> str:
    """What to do about a lock that another process holds."""
    holder = holder_of(path)
    if holder is None:
        return WAIT
    who = f"process {holder.process} of {holder.host}"
    return f"wait for {who}; if it is gone, delete {marker_of(path)}"


def is_held(path: Path) -> bool:
    """Whether a process holds the lock ``path``; also where nothing can be written."""
    holder = holder_of(path)
    if marker_of(path).exists() and not (holder and holder.dead):
        return True
    try:
        # free again at once; whoever takes a lock in that instant tries again
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return _flock(descriptor, fcntl.LOCK_SH) is False
    except OSError:
        return False
    finally:
        os.close(descriptor)
