"""All images ever drawn for one spec, content-addressed, resumable and shared by every budget.

A pool folder holds ``pool.json``, ``plan.jsonl`` (written before any image is drawn),
``results/part-<worker>.jsonl`` (append-only), ``images/<label>_<class>/<image_id>.png``, which
torchvision, timm and the datasets library read as it is, and ``contact_sheet.png``. A budget is a
view of a pool: a list of ids, never a copy.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.engines import HERE, Engine, Order
from benchmark.generation.frames import Materials, Setup, hopeless, image_path, results_folder
from benchmark.generation.ledger import Ledger
from benchmark.generation.limits import Meter
from benchmark.generation.plan import (
    PlanRow,
    PoolSpec,
    build_plan,
    check_counts,
    planned_counts,
    read_plan,
    retry,
    write_plan,
)
from benchmark.generation.results import PoolRow, Tail, read_sessions
from benchmark.generation.seeding import MAX_ATTEMPTS
from benchmark.generation.sheet import COLUMNS, write_sheet
from benchmark.generation.specs import SPEC, spec_values, write_spec
from benchmark.paths import pool_dir
from benchmark.system.files import content_hash, read_json, sha256_file
from benchmark.system.locks import held

if TYPE_CHECKING:
    from benchmark.generation.cost import GenerationCost
    from benchmark.generation.generator import Generator

Colour = Literal["RGB", "L"]
_NOTHING = Materials()
AGAIN = "run again: missing and corrupt images are drawn again"
_READERS = min(os.cpu_count() or 1, 8)


@dataclass(frozen=True)
class _Found:
    """What is there of a budget's images; rows recorded from then on, ``tail`` shows."""

    tail: Tail
    ledger: Ledger
    missing: list[PlanRow]


class Pool:
    """The pool of one spec; open it with ``Pool.open``.

    Args:
        spec: what decides the images.
        folder: where they are kept.
    """

    def __init__(self, spec: PoolSpec, folder: Path) -> None:
        self.spec = spec
        self.folder = folder

    @classmethod
    def open(cls, spec: PoolSpec, root: Path | None = None) -> "Pool":
        """The pool of ``spec`` under ``root`` (default: the cache), created if it is not there.

        Raises:
            IntegrityError: the folder holds a pool of another spec.
            StorageError: the folder cannot be written.
        """
        pool = cls(spec, (root or pool_dir()) / spec.key)
        path = pool.folder / SPEC
        if not path.exists():
            write_spec(pool.folder, spec)
        elif read_json(path) != spec_values(spec):
            raise IntegrityError(
                f"Expected the pool {spec.key}, but got a different specification",
                where=path,
                todo="move the folder away; it was edited by hand",
            )
        return pool

    @property
    def plan_path(self) -> Path:
        """Where the plan is."""
        return self.folder / "plan.jsonl"

    @property
    def results_folder(self) -> Path:
        """Where the result rows and sessions are."""
        return results_folder(self.folder)

    @property
    def sheet_path(self) -> Path:
        """Where the contact sheet is."""
        return self.folder / "contact_sheet.png"

    def image_path(self, row: PlanRow | PoolRow) -> Path:
        """Where the image of a row is."""
        return image_path(self.folder, self.spec, row)

    def ledger(self, tail: Tail | None = None) -> Ledger:
        """Everything recorded so far."""
        rows = (tail or Tail(self.results_folder)).new()
        return Ledger(self.spec, rows, read_sessions(self.results_folder))

    def ensure(
        self,
        counts: Sequence[int],
        generator: "Generator",
        materials: Materials = _NOTHING,
        meter: Meter | None = None,
        progress: bool = True,
        engine: Engine = HERE,
    ) -> "GenerationCost":
        """Draw what is missing of ``counts[k]`` images of each class k, and nothing else.

        Missing and corrupt files are drawn again. Safe against kills at any moment; several
        processes share the work, and each returns when all of it is done.

        Args:
            counts: images of each class.
            generator: the pool's own.
            materials: guides and adapters, where the spec has them.
            meter: what may be spent; what these images have taken so far is booked first.
            progress: whether to show a bar.
            engine: draws them here, or by many workers; the rows are the same.

        Returns:
            The cost of these images as if drawn alone, with the totals of the pool.

        Raises:
            UsageError: the counts do not fit, ``generator`` is not the pool's own, or a limit
                would be exceeded.
            DataError: a slot gave ``MAX_ATTEMPTS`` degenerate frames.
            Interrupted: stopped by a signal; what was drawn is kept.
        """
        check_counts(self.spec, counts)
        found = self._look(counts)
        if found.missing:
            self._check_generator(generator)
            self.plan(counts)
            setup = Setup(self.spec, self.folder, generator, materials)
            with engine.access(self.folder):
                # looking again reads every image, so only if somebody drew meanwhile
                found = self._look(counts) if found.tail.new() else found
                if found.missing:
                    meter = self._booked(meter, counts, found)
                    engine.draw(Order(setup, found.missing, found.tail, meter, progress))
            with self._locked():
                self._write_sheet()
        return self.cost(counts)

    def _look(self, counts: Sequence[int]) -> "_Found":
        tail = Tail(self.results_folder)
        ledger = self.ledger(tail)
        return _Found(tail, ledger, self._missing(counts, ledger))

    def plan(self, counts: Sequence[int]) -> int:
        """Write the plan of ``counts`` images of each class, and draw nothing; returns its rows.

        Raises:
            UsageError: the counts do not fit, or a class has no guide.
        """
        check_counts(self.spec, counts)
        with self._locked():
            return self._extend_plan(counts)

    def missing(self, counts: Sequence[int]) -> int:
        """How many images of a budget would have to be drawn; draws and writes nothing."""
        check_counts(self.spec, counts)
        return len(self._missing(counts, self.ledger()))

    def _check_generator(self, generator: "Generator") -> None:
        if content_hash(generator.fingerprint(), 16) != self.spec.generator_hash:
            raise UsageError(
                "Expected the generator this pool was planned for, but got another fingerprint",
                where=f"pool {self.spec.key}",
                todo="open the pool with pool_spec(generator, ...)",
            )

    def _booked(self, meter: Meter | None, counts: Sequence[int], found: "_Found") -> Meter | None:
        """The meter with what earlier runs drew for the same images and what is still there."""
        if meter is None:
            return None
        lost = {(row.label, row.slot) for row in found.missing}
        wanted = build_plan(self.spec, counts)
        past = found.ledger.cost(row for row in wanted if (row.label, row.slot) not in lost)
        return replace(
            meter,
            images=meter.images + past.candidates,
            calls=meter.calls + past.network_calls_measured,
            seconds=meter.seconds + past.device_seconds,
            flops=meter.flops + past.flops,
        )

    def _locked(self) -> AbstractContextManager[None]:
        """Hold the pool for the moment that writing its plan or its sheet takes."""
        return held(self.folder / ".lock", f"writes the plan or sheet of pool {self.spec.key}")

    def _extend_plan(self, counts: Sequence[int]) -> int:
        before = [0] * self.spec.n_classes
        if self.plan_path.exists():
            before = planned_counts(read_plan(self.plan_path), self.spec.n_classes)
        union = [max(pair) for pair in zip(before, counts, strict=True)]
        if union != before or not self.plan_path.exists():
            write_plan(self.plan_path, build_plan(self.spec, union))
        return sum(union)

    def _missing(self, counts: Sequence[int], ledger: Ledger) -> list[PlanRow]:
        wanted = build_plan(self.spec, counts)
        open_rows = [row for row in wanted if not self._intact(ledger.accepted(row))]
        return [self._next_attempt(row, ledger) for row in open_rows]

    def _next_attempt(self, row: PlanRow, ledger: Ledger) -> PlanRow:
        done = ledger.accepted(row)
        attempt = done.attempt if done else len(ledger.rejected(row))
        if attempt >= MAX_ATTEMPTS:
            reasons = sorted({one.reason for one in ledger.rejected(row)})
            raise hopeless(row.class_name, row.slot, reasons, self.folder)
        return retry(self.spec, row, attempt) if attempt else row

    def _intact(self, row: PoolRow | None) -> bool:
        if row is None:
            return False
        path = self.image_path(row)
        return path.is_file() and sha256_file(path) == row.sha256

    def _write_sheet(self) -> None:
        ledger = self.ledger()
        drawn = planned_counts(read_plan(self.plan_path), self.spec.n_classes)
        first = [min(count, COLUMNS) for count in drawn]
        rows: dict[str, list[Path]] = {}
        for row in build_plan(self.spec, first):
            done = ledger.accepted(row)
            title = f"{row.class_name} ({drawn[row.label]})"
            if done is not None and self.image_path(done).is_file():
                rows.setdefault(title, []).append(self.image_path(done))
        write_sheet(self.sheet_path, rows)

    def cost(self, counts: Sequence[int]) -> "GenerationCost":
        """What the images of a budget cost, as if drawn alone; ``ensure`` must have run."""
        return self.ledger().cost(build_plan(self.spec, counts))

    def subset(self, counts: Sequence[int]) -> list[PoolRow]:
        """The accepted images of a budget, by slot, then label.

        Raises:
            DataError: images are missing.
        """
        check_counts(self.spec, counts)
        ledger = self.ledger()
        found = [ledger.accepted(row) for row in build_plan(self.spec, counts)]
        rows = [row for row in found if row is not None]
        if len(rows) < len(found):
            raise DataError(
                f"Expected {len(found)} images, but got {len(rows)}",
                where=self.folder,
                todo="draw the rest with `python -m benchmark generate`",
            )
        return rows

    def ids_hash(self, counts: Sequence[int]) -> str:
        """Hash of the ids and labels of a budget's images, for the record of a run."""
        return content_hash([[row.image_id, row.label] for row in self.subset(counts)], 16)

    def load(
        self, counts: Sequence[int], size: int, colour: Colour
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
        """The images of a budget, resized and coloured as real ones are.

        Args:
            counts: images of each class.
            size: height and width in pixels.
            colour: "RGB", or "L" for grey images in three equal channels.

        Returns:
            uint8 (n, size, size, 3), int64 labels (n,), and image ids, by slot, then label.

        Raises:
            DataError: images are missing.
            IntegrityError: a file differs from what was drawn.
        """
        rows = self.subset(counts)
        images = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        with ThreadPoolExecutor(_READERS) as readers:
            found = readers.map(lambda row: self._load_one(row, size, colour), rows)
            for index, pixels in enumerate(found):
                images[index] = pixels
        labels = np.asarray([row.label for row in rows], dtype=np.int64)
        return images, labels, [row.image_id for row in rows]

    def _load_one(self, row: PoolRow, size: int, colour: Colour) -> NDArray[np.uint8]:
        from benchmark.data.images import harmonise

        with Image.open(io.BytesIO(self.read(row)), formats=["PNG"]) as image:
            result: NDArray[np.uint8] = harmonise(image, size, colour)
        return result

    def read(self, row: PoolRow) -> bytes:
        """The PNG bytes of an image, compared with the hash taken when it was drawn.

        Raises:
            DataError: the file is missing.
            IntegrityError: its bytes differ.
        """
        path = self.image_path(row)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise DataError(
                "Expected an image, but it is missing", where=path, todo=AGAIN
            ) from error
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise IntegrityError(
                f"Expected an image with SHA-256 {row.sha256[:12]}..., but got other bytes",
                where=path,
                todo=AGAIN,
            )
        return data
