"""The drawing loop: blocks claimed, batches drawn, images written while the next batch is drawn.

Files are written before the rows that name them, and a block is given back after its rows.
"""

import hashlib
import io
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from benchmark.errors import DataError, Interrupted
from benchmark.files import sha256_file, storage_error, write_atomic
from benchmark.generation.claims import Block, Claims, blocks
from benchmark.generation.generator import DrawResult, Generator, LoadReport, Mode
from benchmark.generation.limits import Meter
from benchmark.generation.plan import PlanRow, PoolSpec, retry
from benchmark.generation.results import PoolRow, Session, Tail, append_rows, write_session
from benchmark.generation.seeding import MAX_ATTEMPTS
from benchmark.interrupts import StopFlag, stop_flag
from benchmark.progress import Tracker

FLAT = "flat"
NON_FINITE = "non-finite"
_LEAST_DEVIATION = 1.0
_WRITERS = 4
_AHEAD = 2
_POLL_SECONDS = 0.2
Task = tuple[PlanRow, Block]


@dataclass(frozen=True)
class Materials:
    """What drawing takes besides a spec.

    Attributes:
        guides: uint8 (n, h, w, 3) real training images, by the plan's guide positions.
        adapters: files of fitted weights: none, one, or one a class.
    """

    guides: Any = None
    adapters: tuple[Path, ...] = ()


def flaw(image: Image.Image, finite: bool) -> str:
    """Why a frame cannot be used: "non-finite", "flat" (black or one colour), or "" if it can."""
    if not finite:
        return NON_FINITE
    return FLAT if float(np.asarray(image, dtype=np.float32).std()) < _LEAST_DEVIATION else ""


def hopeless(class_name: str, slot: int, reasons: Sequence[str], folder: Path) -> DataError:
    """The error for a slot whose every attempt was rejected."""
    return DataError(
        f"Expected a usable image of '{class_name}' (slot {slot}) within {MAX_ATTEMPTS} attempts, "
        f"but got {', '.join(reasons)} frames",
        where=folder,
        todo="look at the contact sheet; try generator.dtype=float32 or less guidance",
    )


@dataclass
class Drawer:
    """Draws plan rows for one pool.

    Attributes:
        spec: of the pool.
        folder: of the pool.
        results: where rows and the session are written.
        image_path: where the image of a row is kept.
        generator: what draws.
        materials: guides and adapters.
        tail: reads the rows of all workers; at the point where the missing rows were found.
        meter: what may be spent; None for any amount.
        progress: whether to show a bar.
    """

    spec: PoolSpec
    folder: Path
    results: Path
    image_path: Callable[[PlanRow], Path]
    generator: Generator
    materials: Materials
    tail: Tail
    meter: Meter | None = None
    progress: bool = True
    _queue: deque[Task] = field(default_factory=deque)
    _reasons: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    _others: dict[tuple[int, int], PoolRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A fixed-width time first, so that sorting the files of all workers sorts by time.
        self.worker = f"{time.time_ns():016x}-{os.getpid()}-{secrets.token_hex(2)}"
        self.part = self.results / f"part-{self.worker}.jsonl"

    def run(self, rows: Sequence[PlanRow]) -> None:
        """Draw ``rows``, and again what is degenerate; rows that other processes draw are left.

        Raises:
            DataError: a slot gave ``MAX_ATTEMPTS`` degenerate frames.
            UsageError: the next batch would exceed a limit.
            Interrupted: a signal asked to stop; what was drawn is recorded first.
        """
        self._open_session(rows[0])
        modes = [self._mode_number(row) for row in rows]
        waiting = deque(blocks(rows, modes, self.spec.n_classes))
        claims = Claims(self.folder / "claims", waiting)
        bar = Tracker("drawing", len(rows), "images", enabled=self.progress)
        try:
            with (
                stop_flag() as stop,
                bar,
                self.part.open("a", encoding="utf-8") as file,
                ThreadPoolExecutor(_WRITERS) as writers,
            ):
                self._loop(claims, _Writing(self, file, writers, bar), stop)
        except OSError as error:
            raise storage_error(self.part, error) from error
        finally:
            claims.free()

    def _open_session(self, row: PlanRow) -> None:
        session = Session(
            worker=self.worker,
            dtype=self.generator.dtype,
            guidance_factor=self.generator.guidance_factor,
            knowledge=self.generator.knowledge,
            load=self.generator.load(self._mode(row)),
            adapters=tuple(sha256_file(path) for path in self.materials.adapters),
        )
        write_session(self.results, session)

    def _mode_number(self, row: PlanRow) -> int:
        strengths = len(self.spec.guides.strengths) if self.spec.guides else 1
        adapter = row.label if len(self.materials.adapters) > 1 else 0
        return adapter * strengths + row.slot % strengths

    def _mode(self, row: PlanRow) -> Mode:
        adapters = self.materials.adapters
        adapter = adapters[row.label if len(adapters) > 1 else 0] if adapters else None
        return Mode(strength=row.strength, adapter=adapter)

    def _loop(self, claims: Claims, writing: "_Writing", stop: StopFlag) -> None:
        try:
            while True:
                if stop.raised:
                    raise self._stopped(claims, writing)
                self._top_up(claims, writing.bar)
                if self._queue:
                    batch = self._batch()
                    writing.keep(batch, self._draw([row for row, _ in batch]))
                elif writing.pending:
                    self._again(writing.flush())
                elif claims.waiting:
                    time.sleep(_POLL_SECONDS)
                else:
                    return
                while len(writing.pending) > _AHEAD:
                    self._again(writing.flush())
        finally:
            while writing.pending:
                writing.flush()

    def _stopped(self, claims: Claims, writing: "_Writing") -> Interrupted:
        total = writing.bar.total
        left = len(self._queue) + sum(len(block.rows) for block in claims.waiting)
        return Interrupted(
            f"Stopped with {left} of {total} images to draw",
            where=self.folder,
            todo="what was drawn is kept; run again to go on",
        )

    def _top_up(self, claims: Claims, bar: Tracker) -> None:
        """Claim blocks of one mode until there is a full batch, or nothing free."""
        while claims.waiting and len(self._queue) < self.generator.batch_size:
            block = claims.claim(self._queue[0][1].key.mode if self._queue else None)
            if block is None:
                return
            # whoever held it before may have drawn some of it
            self._others |= {(row.label, row.slot): row for row in self.tail.new()}
            tasks = [row for row in map(self._next, block.rows) if row is not None]
            self._queue.extend((row, block) for row in tasks)
            bar.advance(len(block.rows) - len(tasks))
            block.done(len(block.rows) - len(tasks))

    def _next(self, row: PlanRow) -> PlanRow | None:
        """The row still to be drawn after what other processes did; None if it is done."""
        done = self._others.get((row.label, row.slot))
        if done is None or done.attempt < row.attempt or done.worker == self.worker:
            return row
        return None if done.status == "ok" else self._retry(row, done.attempt + 1, done.reason)

    def _batch(self) -> list[Task]:
        mode = self._queue[0][1].key.mode
        batch: list[Task] = []
        while (
            self._queue
            and self._queue[0][1].key.mode == mode
            and len(batch) < self.generator.batch_size
        ):
            batch.append(self._queue.popleft())
        return batch

    def _draw(self, rows: Sequence[PlanRow]) -> DrawResult:
        guides = None
        if rows[0].guide is not None:
            guides = [Image.fromarray(self.materials.guides[row.guide]) for row in rows]
        mode = self._mode(rows[0])
        if self.meter is not None:
            self._book(rows, self.generator.load(mode), self.meter)
        prompts, seeds = [row.prompt for row in rows], [row.seed for row in rows]
        drawn = self.generator.draw(prompts, seeds, guides, mode)
        if self.meter is not None:
            self.meter.spend(seconds=drawn.seconds)
        return drawn

    def _book(self, rows: Sequence[PlanRow], load: LoadReport, meter: Meter) -> None:
        calls = sum(row.predicted_calls for row in rows)
        flops = calls * load.flops_call + len(rows) * load.flops_image
        meter.spend(images=len(rows), calls=calls, flops=flops)

    def _again(self, rejected: Sequence[tuple[PlanRow, Block, str]]) -> None:
        """Queue another attempt for each degenerate frame."""
        for row, block, reason in rejected:
            self._queue.append((self._retry(row, row.attempt + 1, reason), block))

    def _retry(self, row: PlanRow, attempt: int, reason: str) -> PlanRow:
        past = self._reasons.setdefault((row.label, row.slot), [])
        past.append(reason)
        if attempt >= MAX_ATTEMPTS:
            raise hopeless(row.class_name, row.slot, sorted(set(past)), self.folder)
        return retry(self.spec, row, attempt)


@dataclass
class _Writing:
    """Batches whose images are being written, oldest first."""

    drawer: Drawer
    file: IO[str]
    writers: ThreadPoolExecutor
    bar: Tracker
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
        append_rows(self.file, rows, self.drawer.part)
        done = list(zip(batch, rows, strict=True))
        good = [block for (_, block), row in done if not row.reason]
        for block in good:
            block.done()
        self.bar.advance(len(good))
        return [(task, block, row.reason) for (task, block), row in done if row.reason]

    def _keep(self, row: PlanRow, index: int, drawn: DrawResult) -> PoolRow:
        reason = flaw(drawn.images[index], drawn.finite[index])
        digest = "" if reason else self._write(row, drawn.images[index])
        return PoolRow(
            image_id=row.image_id,
            label=row.label,
            slot=row.slot,
            attempt=row.attempt,
            seed=row.seed,
            status="rejected" if reason else "ok",
            reason=reason,
            sha256=digest,
            calls=drawn.calls // len(drawn.images),
            seconds=round(drawn.seconds / len(drawn.images), 6),
            worker=self.drawer.worker,
        )

    def _write(self, row: PlanRow, image: Image.Image) -> str:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        data = buffer.getvalue()
        write_atomic(self.drawer.image_path(row), lambda file: file.write(data))
        return hashlib.sha256(data).hexdigest()
