"""Pools as they lie on the disk: found by key, listed, summed up; no torch and no generator."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmark.errors import BenchError, DataError, unknown
from benchmark.generation.ledger import Ledger
from benchmark.generation.plan import PlanRow, PoolSpec, planned_counts, read_plan
from benchmark.generation.pool import Pool
from benchmark.generation.results import PoolRow, Session, read_rows, read_sessions
from benchmark.generation.specs import SPEC, read_spec
from benchmark.paths import pool_dir


@dataclass(frozen=True)
class StoredPool:
    """A pool in its folder.

    Attributes:
        folder: where it is.
        plan: every intended image, first attempts only.
        rows: every result row.
        sessions: what each worker drew with.
    """

    folder: Path
    plan: list[PlanRow]
    rows: list[PoolRow]
    sessions: dict[str, Session]

    @cached_property
    def spec(self) -> PoolSpec:
        """The pool's spec, with the network calls that its plan states."""
        spec = read_spec(self.folder)
        period = len(spec.guides.strengths) if spec.guides else 1
        return replace(spec, calls=_calls(self.plan, period))

    @cached_property
    def pool(self) -> Pool:
        """The pool, for its images."""
        return Pool(self.spec, self.folder)

    @cached_property
    def ledger(self) -> Ledger:
        """The rows by slot, and what they cost."""
        return Ledger(self.spec, self.rows, self.sessions)

    @property
    def accepted(self) -> dict[tuple[int, int], PoolRow]:
        """Accepted rows by (label, slot)."""
        return self.ledger.by_slot

    @property
    def counts(self) -> list[int]:
        """Planned images of each class."""
        return planned_counts(self.plan, self.spec.n_classes)


def _calls(plan: Sequence[PlanRow], period: int) -> tuple[int, ...]:
    """Network calls by turn of the slots; one class's rows hold all turns, if any do."""
    turns: dict[int, int] = {}
    for row in plan:
        turns.setdefault(row.slot % period, row.predicted_calls)
        if len(turns) == period:
            break
    return tuple(turns.get(turn, 0) for turn in range(period))


def read_pool(folder: Path) -> StoredPool:
    """Read a pool.

    Raises:
        IntegrityError: a file of it is damaged.
    """
    path = folder / "plan.jsonl"
    plan = read_plan(path) if path.is_file() else []
    results = folder / "results"
    return StoredPool(folder, plan, read_rows(results), read_sessions(results))


def pool_folders(root: Path | None = None) -> list[Path]:
    """The folders of all pools, sorted by name."""
    return sorted(path.parent for path in (root or pool_dir()).glob(f"*/{SPEC}"))


def pool_folder(key: str, root: Path | None = None) -> Path:
    """The folder of the pool with a key, or with the only key that begins so.

    Raises:
        DataError: there is no pool.
        UsageError: none or several of them begin with ``key``.
    """
    folders = pool_folders(root)
    if not folders:
        raise DataError(
            "Expected a pool, but got none",
            where=root or pool_dir(),
            todo="draw one: python -m benchmark generate",
        )
    found = [folder for folder in folders if folder.name.startswith(key)]
    if len(found) != 1 or not key:
        raise unknown("pool", key, [folder.name for folder in folders])
    return found[0]


def readable(folders: list[Path]) -> Iterator[tuple[Path, StoredPool | BenchError]]:
    """Each pool, or why it cannot be read."""
    for folder in folders:
        try:
            pool = read_pool(folder)
            assert pool.spec is not None
            yield folder, pool
        except BenchError as error:
            yield folder, error
