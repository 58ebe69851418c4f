"""One process at a time: a lock file that the system frees when its holder dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.console import say
from benchmark.files import storage_error


@contextmanager
def held(path: Path, work: str) -> Iterator[None]:
    """Hold the lock file ``path`` inside the block; who finds it taken says so and waits.

    Args:
        path: of the lock file; its folder is created.
        work: what the holder does, for the message.

    Raises:
        StorageError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say("waiting", f"for another process that {work}")
            lock.acquire()
    except OSError as error:
        raise storage_error(path.parent, error) from error
    try:
        yield
    finally:
        lock.release()
