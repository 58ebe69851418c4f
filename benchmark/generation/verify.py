"""Whether a stored pool is what it says: plan, rows, seeds, costs, and the bytes of every image."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmark.generation.plan import PlanRow, build_plan, retry
from benchmark.generation.results import PoolRow
from benchmark.generation.stored import StoredPool
from benchmark.system.files import sha256_file
from benchmark.system.progress import Tracker

_READERS = 4


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        planned: images in the plan.
        accepted: images drawn and kept.
        problems: one line each; empty for a sound pool. Images still to be drawn are none.
        orphans: image files that no row names, such as those a killed worker left.
    """

    planned: int
    accepted: int
    problems: tuple[str, ...]
    orphans: int = 0


def verify(stored: StoredPool, *, files: bool = True, progress: bool = False) -> Verified:
    """Check a pool.

    Args:
        stored: the pool.
        files: also read every image and compare its hash; False checks plan and rows only.
        progress: whether to show a bar.
    """
    rebuilt = build_plan(stored.spec, stored.counts)
    problems = [*_plan_problems(stored, rebuilt), *_row_problems(stored, rebuilt)]
    orphans = 0
    if files:
        problems += _file_problems(stored, progress)
        orphans = len(orphan_files(stored))
    return Verified(len(stored.plan), len(stored.accepted), tuple(problems), orphans)


def _plan_problems(stored: StoredPool, rebuilt: list[PlanRow]) -> Iterator[str]:
    if stored.plan != rebuilt:
        wrong = sum(a != b for a, b in zip(stored.plan, rebuilt, strict=False))
        wrong += abs(len(stored.plan) - len(rebuilt))
        yield f"plan.jsonl: {wrong:,} rows differ from what the specification gives"
    seeds = len({row.seed for row in rebuilt})
    if seeds < len(rebuilt):
        yield f"plan.jsonl: {len(rebuilt) - seeds:,} seeds are used twice"


def _row_problems(stored: StoredPool, rebuilt: list[PlanRow]) -> Iterator[str]:
    planned = {(row.label, row.slot): row for row in rebuilt}
    foreign, wrong = 0, 0
    for row in stored.rows:
        plan = planned.get((row.label, row.slot))
        if plan is None:
            foreign += 1
        elif not _same(stored, plan, row):
            wrong += 1
    if foreign:
        yield f"results: {foreign:,} rows are not in the plan"
    if wrong:
        yield f"results: {wrong:,} rows have another id, seed or number of calls than planned"
    yield from _twice(stored)


def _same(stored: StoredPool, plan: PlanRow, row: PoolRow) -> bool:
    if row.attempt:
        plan = retry(stored.spec, plan, row.attempt)
    expected = (plan.image_id, plan.seed, plan.predicted_calls)
    return (row.image_id, row.seed, row.calls) == expected


def _twice(stored: StoredPool) -> Iterator[str]:
    # an image lost after drawing is drawn again under its own id: that is no fault of the rows
    names = Counter(row.sha256 for row in stored.accepted.values())
    twice = sum(count - 1 for count in names.values() if count > 1)
    if twice:
        yield f"images: {twice:,} have the same bytes as another one"


def _file_problems(stored: StoredPool, progress: bool) -> list[str]:
    rows = list(stored.accepted.values())
    bar = Tracker("verifying", len(rows), "images", enabled=progress)
    counts: Counter[str] = Counter()
    with bar, ThreadPoolExecutor(_READERS) as readers:
        for state in readers.map(lambda row: _state(stored.pool.image_path(row), row), rows):
            counts[state] += 1
            bar.advance()
    return [f"images: {n:,} are {state}" for state, n in sorted(counts.items()) if state]


def _state(path: Path, row: PoolRow) -> str:
    if not path.is_file():
        return "missing"
    return "" if sha256_file(path) == row.sha256 else "not what was drawn"


def orphan_files(stored: StoredPool) -> list[Path]:
    """Files under ``images`` that no accepted row names, temporary ones among them."""
    kept = {stored.pool.image_path(row) for row in stored.accepted.values()}
    found = (path for path in (stored.folder / "images").rglob("*") if path.is_file())
    return sorted(path for path in found if path not in kept)
