"""Decoding ahead of the steps on a pool of threads.

Threads do, as reading, decoding and resizing let go of the interpreter's lock: no picture is
copied between processes, and none of them can die alone. Which pictures and which parts of them is
decided before, so results do not depend on the number of threads or on what was announced.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.keeping import Pixels
from benchmark.data.streaming.decoding import cropped, fitted
from benchmark.data.streaming.pictures import Pictures
from benchmark.system.hardware import cores

# batches that are decoded or being decoded beside the one in use
AHEAD = 3
_CHUNK = 8
_LOCAL_PROCESSES = "LOCAL_WORLD_SIZE"


@dataclass(frozen=True)
class Wanted:
    """A batch that is asked for.

    Attributes:
        rows: int64 (batch,), rows of the pictures.
        boxes: one entry a view: int64 (batch, 4), top, left, height and width of each crop; None
            for whole pictures, fitted to the size.
        needed: the part of the batch that will be used; None for all. The rest stays black.
    """

    rows: NDArray[np.int64]
    boxes: tuple[NDArray[np.int64] | None, ...]
    needed: slice | None = None

    @property
    def key(self) -> bytes:
        """Equal for equal batches."""
        shown = [b"whole" if each is None else each.tobytes() for each in self.boxes]
        return b"/".join([str(self.needed).encode(), self.rows.tobytes(), *shown])


@dataclass(frozen=True)
class _Pending:
    key: bytes
    views: list[Tensor]
    jobs: "list[Future[None]]"

    def cancel(self) -> None:
        for job in self.jobs:
            job.cancel()


class Ahead:
    """Makes batches of crops, those that were announced before they are asked for.

    At most ``AHEAD`` batches beside the one in use are in memory, as uint8, and one whole picture
    a thread.

    Args:
        pictures: what is cropped.
        size: height and width of a crop.
        workers: threads; 0 is one for each core that this process may use.
        pinned: whether batches lie in memory that a GPU can copy by itself.
    """

    def __init__(self, pictures: Pictures, size: int, workers: int, pinned: bool) -> None:
        self.pictures, self.size, self.pinned = pictures, size, pinned
        self.workers = workers or own_cores()
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[_Pending] = deque()
        self._upcoming: Iterator[Wanted] = iter(())

    def announce(self, upcoming: Iterable[Wanted]) -> None:
        """Say which batches will be asked for, in their order; replaces what was said before."""
        self._forget()
        self._upcoming = iter(upcoming)
        self._fill()

    def take(self, wanted: Wanted) -> list[Tensor]:
        """The crops of a batch: for each view uint8 (batch, size, size, 3).

        Raises:
            BenchError: a picture is gone or damaged.
        """
        found = self._announced(wanted.key) or self._begin(wanted)
        self._fill()
        try:
            for job in found.jobs:
                job.result()
        except BaseException:
            found.cancel()
            self._forget()
            raise
        return found.views

    def _announced(self, key: bytes) -> _Pending | None:
        for pending in self._pending:
            if pending.key == key:
                self._pending.remove(pending)
                return pending
        return None

    def _fill(self) -> None:
        while len(self._pending) < AHEAD:
            wanted = next(self._upcoming, None)
            if wanted is None:
                return
            self._pending.append(self._begin(wanted))

    def _forget(self) -> None:
        self._upcoming = iter(())
        while self._pending:
            self._pending.pop().cancel()

    def _begin(self, wanted: Wanted) -> _Pending:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers, "decode")
        shape = (len(wanted.rows), self.size, self.size, 3)
        new = torch.empty if wanted.needed is None else torch.zeros
        views = [new(shape, dtype=torch.uint8, pin_memory=self.pinned) for _ in wanted.boxes]
        into = [view.numpy() for view in views]
        begin, end, _ = (wanted.needed or slice(None)).indices(len(wanted.rows))
        jobs = [
            self._pool.submit(self._make, wanted, into, at, min(at + _CHUNK, end))
            for at in range(begin, end, _CHUNK)
        ]
        return _Pending(wanted.key, views, jobs)

    def _make(self, wanted: Wanted, into: list[Pixels], begin: int, end: int) -> None:
        for place in range(begin, end):
            picture = self.pictures.read(int(wanted.rows[place]))
            for view, boxes in zip(into, wanted.boxes, strict=True):
                if boxes is None:
                    view[place] = fitted(picture, self.size)
                else:
                    top, left, tall, wide = boxes[place].tolist()
                    view[place] = cropped(picture, (top, left, tall, wide), self.size)


def own_cores() -> int:
    """Cores that this process may use, shared with the others that torchrun started here."""
    return max(1, cores() // int(os.environ.get(_LOCAL_PROCESSES) or 1))
