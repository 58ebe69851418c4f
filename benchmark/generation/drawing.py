"""The drawing loop: blocks taken, batches drawn, images written while the next batch is drawn.

Files are written before the rows that name them, and a block is given back after its rows.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from benchmark.errors import Interrupted
from benchmark.generation.claims import Block
from benchmark.generation.frames import Frames
from benchmark.generation.generator import DrawResult
from benchmark.generation.plan import PlanRow
from benchmark.generation.results import PoolRow, Tail, append_rows
from benchmark.system.files import storage_error
from benchmark.system.progress import Tracker

_WRITERS = 4
_AHEAD = 2
_POLL_SECONDS = 0.2
Slot = tuple[int, int]
Task = tuple[PlanRow, Block]


class Source(Protocol):
    """Where blocks come from: ``Claims`` shared by lock files, or ``Given`` ones.

    Attributes:
        waiting: blocks not taken yet, in plan order.
    """

    waiting: deque[Block]

    def claim(self, mode: int | None = None) -> Block | None:
        """The next block, of ``mode`` if given; None if there is none, or others hold them all."""

    def free(self) -> None:
        """Give every block back."""


class Stop(Protocol):
    """Whether to stop after the batch at hand."""

    @property
    def raised(self) -> bool:
        """True from when somebody asked for it."""


def _yes() -> bool:
    return True


def stopped(left: int, total: int, folder: Path) -> Interrupted:
    """What to say of a drawing that somebody stopped, with so many of its images left."""
    return Interrupted(
        f"Stopped with {left} of {total} images to draw",
        where=folder,
        todo="what was drawn is kept; run again to go on",
    )


# what is recorded already of the slots of a block just taken; more slots do no harm
Recorded = Callable[[Block], Mapping[Slot, PoolRow]]


@dataclass
class Others:
    """What other processes have recorded since the missing rows were found.

    What they drew of the same rows counts against this process's limits too.

    Attributes:
        frames: of this process.
        tail: reads the rows of all workers; at the point where the missing rows were found.
        wanted: the slots that were missing then.
    """

    frames: Frames
    tail: Tail
    wanted: frozenset[Slot]
    _known: dict[Slot, PoolRow] = field(default_factory=dict)

    def __call__(self, block: Block) -> Mapping[Slot, PoolRow]:
        """See ``Recorded``.

        Raises:
            UsageError: others have spent what was left of a limit.
        """
        for row in self.tail.new():
            if row.worker != self.frames.worker:
                self._known[row.label, row.slot] = row
                self._book(row, block.rows[0])
        return self._known

    def _book(self, row: PoolRow, alike: PlanRow) -> None:
        meter, setup = self.frames.meter, self.frames.setup
        if meter is None or (row.label, row.slot) not in self.wanted:
            return
        load = setup.generator.load(setup.mode(alike))
        flops = row.calls * load.flops_call + load.flops_image
        meter.spend(images=1, calls=row.calls, seconds=row.seconds, flops=flops)


@dataclass
class Drawer:
    """Draws the rows of blocks for one pool.

    Attributes:
        frames: what is done with a batch.
        source: of the blocks.
        recorded: what is recorded of a block just taken.
        stop: looked at between batches.
        bar: counts images that are done, by whomever.
        owner: whether rows may still be recorded; asked before they are.
    """

    frames: Frames
    source: Source
    recorded: Recorded
    stop: Stop
    bar: Tracker
    owner: Callable[[], bool] = _yes
    _queue: deque[Task] = field(default_factory=deque)

    def run(self) -> None:
        """Draw all blocks, and again what is degenerate; rows that others drew are left.

        Raises:
            DataError: a slot gave ``MAX_ATTEMPTS`` degenerate frames.
            UsageError: the next batch would exceed a limit.
            Interrupted: somebody asked to stop; what was drawn is recorded first.
        """
        part = self.frames.part
        try:
            with (
                part.open("a", encoding="utf-8") as file,
                ThreadPoolExecutor(_WRITERS) as writers,
            ):
                self._loop(_Writing(self.frames, file, writers, self.bar, self.owner))
        except OSError as error:
            raise storage_error(part, error) from error
        finally:
            self.source.free()

    def _loop(self, writing: "_Writing") -> None:
        try:
            while True:
                if self.stop.raised:
                    raise self._stopped()
                self._top_up()
                if self._queue:
                    batch = self._batch()
                    writing.keep(batch, self.frames.draw([row for row, _ in batch]))
                elif writing.pending:
                    self._again(writing.flush())
                elif self.source.waiting:
                    time.sleep(_POLL_SECONDS)
                else:
                    return
                while len(writing.pending) > _AHEAD:
                    self._again(writing.flush())
        finally:
            while writing.pending:
                writing.flush()

    def _stopped(self) -> Interrupted:
        left = len(self._queue) + sum(len(block.rows) for block in self.source.waiting)
        return stopped(left, self.bar.total, self.frames.setup.folder)

    @property
    def _batch_size(self) -> int:
        return self.frames.setup.generator.batch_size

    def _top_up(self) -> None:
        """Take blocks of one mode until there is a full batch, or nothing free."""
        while self.source.waiting and len(self._queue) < self._batch_size:
            block = self.source.claim(self._queue[0][1].key.mode if self._queue else None)
            if block is None:
                return
            # whoever held it before may have drawn some of it
            known = self.recorded(block)
            found = [self._next(row, known.get((row.label, row.slot))) for row in block.rows]
            tasks = [row for row in found if row is not None]
            self._queue.extend((row, block) for row in tasks)
            self.bar.advance(len(block.rows) - len(tasks))
            block.done(len(block.rows) - len(tasks))

    def _next(self, row: PlanRow, done: PoolRow | None) -> PlanRow | None:
        """The row still to be drawn after what others recorded; None if it is done."""
        if done is None or done.attempt < row.attempt:
            return row
        if done.status == "ok":
            return None
        return self.frames.retry(row, done.attempt + 1, done.reason)

    def _batch(self) -> list[Task]:
        mode, size = self._queue[0][1].key.mode, self._batch_size
        batch: list[Task] = []
        while self._queue and self._queue[0][1].key.mode == mode and len(batch) < size:
            batch.append(self._queue.popleft())
        return batch

    def _again(self, rejected: Sequence[tuple[PlanRow, Block, str]]) -> None:
        """Queue another attempt for each degenerate frame."""
        for row, block, reason in rejected:
            self._queue.append((self.frames.retry(row, row.attempt + 1, reason), block))


@dataclass
class _Writing:
    """Batches whose images are being written, oldest first."""

    frames: Frames
    file: IO[str]
    writers: ThreadPoolExecutor
    bar: Tracker
    owner: Callable[[], bool]
    pending: deque[tuple[list[Task], list[Future[PoolRow]]]] = field(default_factory=deque)

    def keep(self, batch: list[Task], drawn: DrawResult) -> None:
        """Begin to write the images of a batch."""
        jobs = [
            self.writers.submit(self._keep, row, at, drawn) for at, (row, _) in enumerate(batch)
        ]
        self.pending.append((batch, jobs))

    def flush(self) -> list[tuple[PlanRow, Block, str]]:
        """Record the oldest batch; returns its degenerate frames, whose blocks stay claimed."""
        batch, jobs = self.pending.popleft()
        rows = [job.result() for job in jobs]
        if not self.owner():
            raise Interrupted("Another process took over the pool", where=self.frames.setup.folder)
        append_rows(self.file, rows, self.frames.part)
        done = list(zip(batch, rows, strict=True))
        good = [block for (_, block), row in done if not row.reason]
        for block in good:
            block.done()
        self.bar.advance(len(good))
        return [(task, block, row.reason) for (task, block), row in done if row.reason]

    def _keep(self, row: PlanRow, index: int, drawn: DrawResult) -> PoolRow:
        return self.frames.keep(row, index, drawn)
