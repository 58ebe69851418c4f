"""A plan cut into blocks for workers, as Arrow tables; and what comes back of them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import ceil
from typing import Any

import pyarrow as pa

from benchmark import errors
from benchmark.errors import BenchError
from benchmark.generation.claims import Block, BlockKey
from benchmark.generation.frames import Setup
from benchmark.generation.plan import PlanRow
from benchmark.generation.scale.worker import Outcome

_ROWS = 256
_A_WORKER = 4
_TEXT, _NUMBER = pa.string(), pa.int64()
_PLAN = pa.schema(
    [
        ("image_id", _TEXT),
        ("label", _NUMBER),
        ("class_name", _TEXT),
        ("slot", _NUMBER),
        ("attempt", _NUMBER),
        ("seed", _NUMBER),
        ("prompt", _TEXT),
        ("modifier_id", _NUMBER),
        ("predicted_calls", _NUMBER),
        ("guide", _NUMBER),
        ("guide_label", _NUMBER),
        ("guide_sha256", _TEXT),
        ("strength", pa.float64()),
        ("block", _NUMBER),
        ("mode", _NUMBER),
    ]
)


def block_size(rows: int, workers: int, batch: int) -> int:
    """Rows of a block: whole batches, about 256, and several blocks a worker.

    Args:
        rows: to be drawn.
        workers: at most.
        batch: images drawn together.
    """
    wanted = min(_ROWS, ceil(rows / (workers * _A_WORKER)))
    return batch * max(1, ceil(wanted / batch))


def cut(setup: Setup, rows: Sequence[PlanRow], size: int) -> list[Block]:
    """Rows in blocks of one mode and at most ``size``, modes in order, rows as in the plan."""
    found: list[Block] = []
    for mode, group in groupby(sorted(rows, key=setup.mode_number), setup.mode_number):
        same = list(group)
        parts = (same[at : at + size] for at in range(0, len(same), size))
        found += [Block(BlockKey(mode, at), part) for at, part in enumerate(parts)]
    return found


def tables(blocks: Iterable[Block]) -> Iterator[pa.Table]:
    """One table a block, numbered from 0."""
    for number, block in enumerate(blocks):
        own = {"block": number, "mode": block.key.mode}
        yield pa.Table.from_pylist([row._asdict() | own for row in block.rows], schema=_PLAN)


def from_table(table: pa.Table) -> tuple[int, Block]:
    """The block of a table, and its number."""
    values = table.to_pylist()
    rows = [PlanRow(**{name: row[name] for name in PlanRow._fields}) for row in values]
    number = int(values[0]["block"])
    return number, Block(BlockKey(int(values[0]["mode"]), number), rows)


def outcome_table(outcome: Outcome) -> pa.Table:
    """One row: what became of a block."""
    error = outcome.error
    said = [type(error).__name__, error.problem, error.where, error.todo] if error else None
    row = {
        "block": outcome.number,
        "images": outcome.images,
        "deaths": outcome.deaths,
        "error": json.dumps(said, default=str) if said else "",
    }
    return pa.Table.from_pylist([row])


def outcomes(table: pa.Table) -> Iterator[Outcome]:
    """What became of the blocks of a table."""
    for row in table.to_pylist():
        error = _error(*json.loads(row["error"])) if row["error"] else None
        yield Outcome(int(row["block"]), int(row["images"]), error, int(row["deaths"]))


def _error(kind: str, problem: str, where: Any, todo: str | None) -> BenchError:
    found = getattr(errors, kind, BenchError)
    known = isinstance(found, type) and issubclass(found, BenchError)
    made: BenchError = (found if known else BenchError)(problem, where=where, todo=todo)
    return made
