"""A run's number in the pool's folder: workers of an earlier run see that it changed, and stop.

Workers on other machines take no locks and may outlive the driver that started them. They look
before each batch and before its rows are recorded, so that whoever changes the number and waits a
moment has the pool to itself.
"""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmark.system.files import write_text

_NUMBER = "run.txt"
_BEGUN = "begun"
_STOPPED = "stopped "
# rows that were being recorded when the number changed are recorded by then
_GRACE_SECONDS = 1.0


@dataclass(frozen=True)
class Fence:
    """Whether a run is still the pool's own; a ``drawing.Stop``.

    Attributes:
        pool: folder of the pool.
        run: number of the run.
    """

    pool: Path
    run: str

    @classmethod
    def of(cls, pool: Path) -> "Fence":
        """That of the run that began last."""
        return cls(pool, _number(pool).removeprefix(_STOPPED))

    @property
    def raised(self) -> bool:
        """True once the run was stopped, or is no longer the pool's."""
        return _number(self.pool) != self.run

    @property
    def lost(self) -> bool:
        """True once the run is no longer the pool's: nothing may be recorded any more."""
        return _number(self.pool).removeprefix(_STOPPED) != self.run

    @property
    def begun(self) -> Path:
        """The folder of notes about blocks that were begun."""
        return self.pool / _BEGUN / self.run

    def stop(self) -> None:
        """Make every worker stop after the batch at hand, which it records."""
        write_text(self.pool / _NUMBER, _STOPPED + self.run)


def _number(pool: Path) -> str:
    try:
        return (pool / _NUMBER).read_text(encoding="utf-8")
    except OSError:
        return ""


def clear(pool: Path) -> None:
    """Shut out the workers of a run whose driver is gone, if there was one."""
    if (pool / _NUMBER).exists() or (pool / _BEGUN).exists():
        _forget(pool)
        time.sleep(_GRACE_SECONDS)


def _forget(pool: Path) -> None:
    (pool / _NUMBER).unlink(missing_ok=True)
    shutil.rmtree(pool / _BEGUN, ignore_errors=True)


@contextmanager
def fenced(pool: Path) -> Iterator[None]:
    """A new run, the only one of a pool that this process has to itself.

    Raises:
        StorageError: the folder cannot be written.
    """
    clear(pool)
    write_text(pool / _NUMBER, secrets.token_hex(8))
    try:
        yield
    finally:
        _forget(pool)
