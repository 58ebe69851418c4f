"""What a fuzz target is, and what counts as a finding."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Literal

from benchmark.errors import BenchError

# how inputs are mutated; whatever the shape, some are mutated as plain bytes
Shape = Literal["json", "jsonl", "yaml", "text", "zip", "tar", "npy", "safetensors", "bytes"]
# a misspelt name may bring the list of all names
SHORT_LINE = 20_000


class Hang(BaseException):
    """A reader took longer than it may; no handler of the reader's own catches it."""


class Unclear(AssertionError):
    """A refusal that is not one short line."""


@dataclass(frozen=True)
class Target:
    """A reader of foreign bytes.

    Attributes:
        name: on the command line, and of its corpus folder.
        shape: how its inputs are mutated.
        read: takes bytes; returns whatever it likes, or raises BenchError.
        seeds: valid inputs, as the suite itself writes them.
        imports: modules whose code is instrumented besides the suite's own.
    """

    name: str
    shape: Shape
    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    imports: tuple[str, ...] = ()

    def try_on(self, data: bytes) -> BenchError | None:
        """Read ``data``; the refusal, or None if it was taken.

        Raises:
            Exception: whatever else the reader raises: a finding.
        """
        try:
            self.read(data)
        except BenchError as error:
            said = str(error)
            if "\n" in said or len(said) > SHORT_LINE:
                raise Unclear(f"{len(said)} characters: {said[:300]!r}") from error
            return error
        return None


@cache
def folder() -> Path:
    """An empty folder of this process, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    root = memory if memory.is_dir() else None
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=root))


def remove_folder() -> None:
    """Remove what ``folder`` made."""
    shutil.rmtree(folder(), ignore_errors=True)
    folder.cache_clear()


def file(name: str, data: bytes) -> Path:
    """A file of this process that holds ``data``; the next one of its name replaces it."""
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise ``Hang`` in the main thread if the block takes longer."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
