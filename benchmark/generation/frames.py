"""One batch of a plan: drawn, its frames judged, its images written, its rows made.

Whoever hands out the work (locks on blocks, shards, Ray), this is how it is done.
"""

import hashlib
import io
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from benchmark.errors import DataError
from benchmark.generation.collections.naming import class_folder
from benchmark.generation.generator import DrawResult, Generator, LoadReport, Mode
from benchmark.generation.plan import PlanRow, PoolSpec, retry
from benchmark.generation.results import PoolRow, Session, write_session
from benchmark.generation.seeding import MAX_ATTEMPTS
from benchmark.system.files import sha256_file, write_bytes

FLAT = "flat"
NON_FINITE = "non-finite"
_LEAST_DEVIATION = 1.0


class Spending(Protocol):
    """Where a batch is booked before it is drawn; ``limits.Meter``, or one of another process."""

    def spend(
        self, images: int = 0, calls: int = 0, seconds: float = 0.0, flops: float = 0.0
    ) -> None:
        """Book it, or refuse it with a UsageError."""


@dataclass(frozen=True)
class Materials:
    """What drawing takes besides a spec.

    Attributes:
        guides: uint8 (n, h, w, 3) real training images, by the plan's guide positions.
        adapters: files of fitted weights: none, one, or one a class.
    """

    guides: Any = None
    adapters: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Setup:
    """What every worker at a pool draws with; it can be sent to another machine.

    Attributes:
        spec: of the pool.
        folder: of the pool, the same wherever it is drawn.
        generator: the pool's own.
        materials: guides and adapters.
    """

    spec: PoolSpec
    folder: Path
    generator: Generator
    materials: Materials = Materials()

    @property
    def results(self) -> Path:
        """Where rows and sessions are written."""
        return results_folder(self.folder)

    def mode_number(self, row: PlanRow) -> int:
        """The number of the strength and adapter that a row is drawn with."""
        strengths = len(self.spec.guides.strengths) if self.spec.guides else 1
        adapter = row.label if len(self.materials.adapters) > 1 else 0
        return adapter * strengths + row.slot % strengths

    def mode(self, row: PlanRow) -> Mode:
        """The strength and adapter that a row is drawn with."""
        adapters = self.materials.adapters
        adapter = adapters[row.label if len(adapters) > 1 else 0] if adapters else None
        return Mode(strength=row.strength, adapter=adapter)


def results_folder(pool: Path) -> Path:
    """Where the result rows and sessions of a pool's folder are."""
    return pool / "results"


def image_path(pool: Path, spec: PoolSpec, row: PlanRow | PoolRow) -> Path:
    """Where the image of a row is, in the folder ``pool``."""
    folder = class_folder(row.label, spec.classes[row.label])
    return pool / "images" / folder / f"{row.image_id}.png"


def part_path(results: Path, worker: str) -> Path:
    """The file that a worker appends its rows to."""
    return results / f"part-{worker}.jsonl"


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


def worker_name() -> str:
    """A name no other worker has; a fixed-width time first, so that sorting sorts by time."""
    return f"{time.time_ns():016x}-{os.getpid()}-{secrets.token_hex(2)}"


@dataclass
class Frames:
    """What one worker does with batches of a plan.

    Attributes:
        setup: what it draws with.
        meter: what may be spent; None for any amount.
        worker: its name.
    """

    setup: Setup
    meter: Spending | None = None
    worker: str = field(default_factory=worker_name)
    _reasons: dict[tuple[int, int], list[str]] = field(default_factory=dict)

    @property
    def part(self) -> Path:
        """The file of its rows."""
        return part_path(self.setup.results, self.worker)

    def open_session(self, row: PlanRow) -> None:
        """Load the generator for ``row`` and write down what this worker draws with."""
        generator = self.setup.generator
        session = Session(
            worker=self.worker,
            dtype=generator.dtype,
            guidance_factor=generator.guidance_factor,
            knowledge=generator.knowledge,
            load=generator.load(self.setup.mode(row)),
            adapters=tuple(sha256_file(path) for path in self.setup.materials.adapters),
        )
        write_session(self.setup.results, session)

    def draw(self, rows: Sequence[PlanRow]) -> DrawResult:
        """Draw rows of one mode.

        Raises:
            UsageError: they would exceed a limit; they are not drawn then.
        """
        setup, guides = self.setup, None
        if rows[0].guide is not None:
            guides = [Image.fromarray(setup.materials.guides[row.guide]) for row in rows]
        mode = setup.mode(rows[0])
        if self.meter is not None:
            self._book(rows, setup.generator.load(mode), self.meter)
        prompts, seeds = [row.prompt for row in rows], [row.seed for row in rows]
        drawn = setup.generator.draw(prompts, seeds, guides, mode)
        if self.meter is not None:
            self.meter.spend(seconds=drawn.seconds)
        return drawn

    def _book(self, rows: Sequence[PlanRow], load: LoadReport, meter: Spending) -> None:
        calls = sum(row.predicted_calls for row in rows)
        flops = calls * load.flops_call + len(rows) * load.flops_image
        meter.spend(images=len(rows), calls=calls, flops=flops)

    def keep(self, row: PlanRow, index: int, drawn: DrawResult) -> PoolRow:
        """Judge one frame of a batch, write its image if it is sound, and make its row."""
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
            worker=self.worker,
        )

    def _write(self, row: PlanRow, image: Image.Image) -> str:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        data = buffer.getvalue()
        path = image_path(self.setup.folder, self.setup.spec, row)
        write_bytes(path, data)
        return hashlib.sha256(data).hexdigest()

    def retry(self, row: PlanRow, attempt: int, reason: str) -> PlanRow:
        """The row of another attempt, after a frame that was rejected.

        Raises:
            DataError: there were ``MAX_ATTEMPTS``.
        """
        past = self._reasons.setdefault((row.label, row.slot), [])
        past.append(reason)
        if attempt >= MAX_ATTEMPTS:
            raise hopeless(row.class_name, row.slot, sorted(set(past)), self.setup.folder)
        return retry(self.setup.spec, row, attempt)
