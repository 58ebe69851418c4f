"""The drawing loop: batches from a queue, degenerate frames back into it, files before rows."""

import hashlib
import io
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from benchmark.errors import DataError, Interrupted
from benchmark.files import storage_error, write_atomic
from benchmark.generation.generator import DrawResult, Generator
from benchmark.generation.plan import PlanRow, PoolSpec, retry
from benchmark.generation.results import PoolRow, Session, append_rows, write_session
from benchmark.generation.seeding import MAX_ATTEMPTS
from benchmark.interrupts import StopFlag, stop_flag
from benchmark.progress import Tracker

FLAT = "flat"
NON_FINITE = "non-finite"
_LEAST_DEVIATION = 1.0
_WRITERS = 4


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
        folder: of the pool, for messages.
        results: where rows and the session are written.
        image_path: where an image id is kept.
        generator: what draws.
    """

    spec: PoolSpec
    folder: Path
    results: Path
    image_path: Callable[[str], Path]
    generator: Generator

    def __post_init__(self) -> None:
        # A fixed-width time first, so that sorting the files of all workers sorts by time.
        self.worker = f"{time.time_ns():016x}-{os.getpid()}"
        self.part = self.results / f"part-{self.worker}.jsonl"

    def run(self, rows: Sequence[PlanRow], *, progress: bool) -> None:
        """Draw ``rows``, and again what is degenerate.

        Raises:
            DataError: a slot gave ``MAX_ATTEMPTS`` degenerate frames.
            Interrupted: a signal asked to stop; the batch at hand was finished first.
        """
        self._open_session()
        bar = Tracker("drawing", len(rows), "images", enabled=progress)
        try:
            with stop_flag() as stop, bar, self.part.open("a", encoding="utf-8") as file:
                self._loop(deque(rows), file, stop, bar)
        except OSError as error:
            raise storage_error(self.part, error) from error

    def _open_session(self) -> None:
        session = Session(
            worker=self.worker,
            dtype=self.generator.dtype,
            guidance_factor=self.generator.guidance_factor,
            knowledge=self.generator.knowledge,
            load=self.generator.load(),
        )
        write_session(self.results, session)

    def _loop(self, queue: deque[PlanRow], file: IO[str], stop: StopFlag, bar: Tracker) -> None:
        total = len(queue)
        reasons: dict[tuple[int, int], list[str]] = {}
        while queue:
            if stop.raised:
                raise Interrupted(
                    f"Stopped with {len(queue)} of {total} images to draw",
                    where=self.folder,
                    todo="what was drawn is kept; run again to go on",
                )
            size = min(self.generator.batch_size, len(queue))
            batch = [queue.popleft() for _ in range(size)]
            done = self._batch(batch)
            append_rows(file, done, self.part)
            again = self._again(batch, done, reasons)
            queue.extend(again)
            bar.grow(len(again))
            bar.advance(len(batch))

    def _batch(self, batch: Sequence[PlanRow]) -> list[PoolRow]:
        drawn = self.generator.draw([row.prompt for row in batch], [row.seed for row in batch])
        with ThreadPoolExecutor(_WRITERS) as writers:
            kept = writers.map(lambda at: self._keep(batch[at], at, drawn), range(len(batch)))
            return list(kept)

    def _keep(self, row: PlanRow, index: int, drawn: DrawResult) -> PoolRow:
        reason = flaw(drawn.images[index], drawn.finite[index])
        digest = "" if reason else self._write(row.image_id, drawn.images[index])
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
            worker=self.worker,
        )

    def _write(self, image_id: str, image: Image.Image) -> str:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        data = buffer.getvalue()
        write_atomic(self.image_path(image_id), lambda file: file.write(data))
        return hashlib.sha256(data).hexdigest()

    def _again(
        self,
        batch: Sequence[PlanRow],
        done: Sequence[PoolRow],
        reasons: dict[tuple[int, int], list[str]],
    ) -> list[PlanRow]:
        rejected = [(row, end.reason) for row, end in zip(batch, done, strict=True) if end.reason]
        for row, reason in rejected:
            past = reasons.setdefault((row.label, row.slot), [])
            past.append(reason)
            if row.attempt + 1 >= MAX_ATTEMPTS:
                raise hopeless(row.class_name, row.slot, sorted(set(past)), self.folder)
        return [retry(self.spec, row, row.attempt + 1) for row, _ in rejected]
