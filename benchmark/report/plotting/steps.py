"""Pictures for a grid over diffusion steps: a class a row, a number of steps a column.

Pools of different steps start from the same noise, so a row shows one image growing.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmark.boards.leaderboard import Row
from benchmark.generation.quality.pictures import Grid
from benchmark.generation.stored import StoredPool, read_pool
from benchmark.grid.grid_results import GridResult, curves
from benchmark.paths import pool_dir
from benchmark.recording.record_models import Record

MOST_CLASSES = 20
Pools = Mapping[str, StoredPool]


@dataclass(frozen=True)
class Lacking:
    """Why there is no sheet, and the command that helps."""

    problem: str
    command: str


@dataclass(frozen=True, eq=False)
class Sheet:
    """Pictures in place, and the classes that have none."""

    grid: Grid
    left_out: tuple[str, ...]


def has_sheet(made: GridResult) -> bool:
    """Whether a grid is one over diffusion steps."""
    return made.grid.x == "steps"


def sheet(made: GridResult, root: Path | None = None) -> Sheet | Lacking:
    """The pictures of a grid over diffusion steps, or what is lacking.

    Each class is shown from the first seed, then the first slot, for which all pools have an image
    from the same noise; a class without one is left out.

    Args:
        made: a grid with records.
        root: where pools are; the cache by default.

    Raises:
        IntegrityError: a pool or an image of one is damaged.
    """
    columns = _columns(made)
    if isinstance(columns, Lacking):
        return columns
    found = _pools(columns, root or pool_dir())
    if isinstance(found, Lacking):
        return found
    names = next(iter(found[0].values())).spec.classes
    able = [label for label in range(len(names)) if _first(found, label)]
    rows = {names[label]: _pictures(found, label) for label in _spread(able)}
    left = tuple(name for label, name in enumerate(names) if label not in able)
    return Sheet(Grid(rows, list(columns)), left)


def _columns(made: GridResult) -> dict[str, Row] | Lacking:
    """The rows of the grid that draw images, by ascending steps; all must have records."""
    absent = [each for each in made.missing if len(each.seeds) == made.grid.seeds]
    if absent:
        return Lacking(f"no record of {absent[0].cell.name}", absent[0].command)
    points = (point for curve in curves(made) for point in curve.points)
    return {point.name: point.row for point in points if point.row.first.pool}


def _pools(columns: Mapping[str, Row], root: Path) -> list[Pools] | Lacking:
    """For each seed of all columns whose pools are all there, the pools by column."""
    seeds = sorted(set.intersection(*({r.seed for r in row.records} for row in columns.values())))
    complete: list[Pools] = []
    lacking: list[Lacking] = []
    for seed in seeds:
        keys = {name: _record(row, seed) for name, row in columns.items()}
        absent = [name for name, record in keys.items() if not _folder(record, root).is_dir()]
        if absent:
            problem = f"no pool of {absent[0]}, seed {seed}, in the cache"
            lacking.append(Lacking(problem, _generate(keys[absent[0]])))
        else:
            complete.append({name: read_pool(_folder(r, root)) for name, r in keys.items()})
    return complete or next(iter(lacking), Lacking("no seed that all numbers of steps have", ""))


def _record(row: Row, seed: int) -> Record:
    return next(record for record in row.records if record.seed == seed)


def _folder(record: Record, root: Path) -> Path:
    return root / (record.pool.key if record.pool else "")


def _generate(record: Record) -> str:
    """The command that draws the pool of a run."""
    return record.command.replace("benchmark run ", "benchmark generate ", 1)


def _first(found: Sequence[Pools], label: int) -> tuple[Pools, int] | None:
    """The pools and the slot that a class is shown from."""
    return next(((pools, slot) for pools in found for slot in _slots(pools, label)), None)


def _slots(pools: Pools, label: int) -> Iterator[int]:
    """Slots at which every pool has an image from the same noise."""
    by_slot = [
        {slot: row.seed for (own, slot), row in pool.accepted.items() if own == label}
        for pool in pools.values()
    ]
    for slot in sorted(by_slot[0]):
        if {seeds.get(slot) for seeds in by_slot} == {by_slot[0][slot]}:
            yield slot


def _spread(labels: Sequence[int]) -> list[int]:
    """At most ``MOST_CLASSES`` labels, evenly spread."""
    n = min(len(labels), MOST_CLASSES)
    return [labels[place * len(labels) // n] for place in range(n)]


def _pictures(found: Sequence[Pools], label: int) -> list[Image.Image]:
    first = _first(found, label)
    assert first is not None
    pools, slot = first
    return [_picture(pool, label, slot) for pool in pools.values()]


def _picture(pool: StoredPool, label: int, slot: int) -> Image.Image:
    data = io.BytesIO(pool.pool.read(pool.accepted[label, slot]))
    with Image.open(data, formats=["PNG"]) as image:
        return image.convert("RGB")
