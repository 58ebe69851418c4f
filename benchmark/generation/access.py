"""Who may draw at a pool: processes that share it by claims, or one that hands out the work.

Processes that claim blocks by locks get on with each other. A driver that gives blocks to workers
on other machines, which take no locks, has to be alone: whoever comes second waits.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.generation.fence import clear, fenced
from benchmark.generation.frames import worker_name
from benchmark.system.locks import attempt, held, is_held

CLAIMS = "claims"
_DRIVER = ".driver.lock"
_HERE, _LOCK = "here-", ".lock"
_SETTLE_SECONDS = 0.05


@contextmanager
def shared(pool: Path) -> Iterator[None]:
    """Draw beside others that claim blocks; waits while a driver hands out the pool's work.

    Args:
        pool: folder of the pool.

    Raises:
        StorageError: the folder cannot be written.
    """
    own = pool / CLAIMS / f"{_HERE}{worker_name()}{_LOCK}"
    lock = attempt(own)
    while is_held(pool / _DRIVER):
        # the driver waits for those it finds here, so nobody may wait here for the driver
        if lock is not None:
            lock.release()
        with held(pool / _DRIVER, _work(pool)):
            pass
        lock = attempt(own)
    try:
        clear(pool)
        yield
    finally:
        if lock is not None:
            lock.release()
        own.unlink(missing_ok=True)


@contextmanager
def alone(pool: Path) -> Iterator[None]:
    """Hand out the work of a pool under a new number; waits for those who draw there already.

    Args:
        pool: folder of the pool.

    Raises:
        StorageError: the folder cannot be written.
    """
    with held(pool / _DRIVER, _work(pool)):
        time.sleep(_SETTLE_SECONDS)
        for path in _others(pool):
            with held(path, _work(pool)):
                pass
            path.unlink(missing_ok=True)
        with fenced(pool):
            yield


def _others(pool: Path) -> list[Path]:
    """Locks of those who claim blocks; also where markers stand for them."""
    found = (pool / CLAIMS).glob(f"{_HERE}*")
    return sorted({path.with_name(path.name.partition(_LOCK)[0] + _LOCK) for path in found})


def _work(pool: Path) -> str:
    return f"draws the pool {pool.name}"
