"""What ``run grid=NAME`` stands for: every experiment of a grid with every seed, and their states.

A word of the grid's own (``grid``, ``seeds``, ``shard``, ``rows``, ``columns``, ``workers``) says
which part of it; every other word goes to each run, and wins over what the grid says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark import grids
from benchmark.errors import UsageError
from benchmark.expansion import Expansions, Facts, Refused, expand_all
from benchmark.grids import Cell, Grid
from benchmark.words import plumbing_names

OWN = ("grid", "seeds", "shard", "rows", "columns", "workers")


@dataclass(frozen=True)
class Point:
    """One run of a grid: its cell, its seed, and the words of its command line."""

    cell: Cell
    seed: int
    words: tuple[str, ...]
    facts: Facts

    def folder(self, out: Path) -> Path:
        """Where the run is, or will be."""
        return out / self.facts.folder / f"s{self.seed}"


@dataclass(frozen=True)
class Plan:
    """What a command line asks for.

    Attributes:
        name: of the grid.
        grid: the part of it that was asked for.
        points: its runs: all cells at seed 0, then at seed 1, and so on.
        refused: cells that cannot be run, and why.
        shared: words that go to each run.
        out: the folder of runs.
        workers: processes that share the work.
    """

    name: str
    grid: Grid
    points: tuple[Point, ...]
    refused: tuple[tuple[Cell, Refused], ...]
    shared: tuple[str, ...]
    out: Path
    workers: int = 1


def is_grid(words: Sequence[str]) -> bool:
    """Whether a command line names a grid."""
    return any(word.startswith("grid=") for word in words)


def plan(words: Sequence[str], known: Expansions | None = None) -> Plan:
    """The runs that a command line asks for.

    Args:
        words: ``grid=NAME``; perhaps ``dataset=NAME``, ``seeds=N`` (instead of the grid's own
            number), ``rows=A,B`` and ``columns=A,B`` (some of them), ``shard=i/n`` (every n-th run
            from the i-th on), ``workers=N``; other words go to each run.
        known: facts of experiments; by default those in the cache.

    Raises:
        UsageError: no such grid, a word that cannot be meant, or no experiment that can be run.
    """
    own = dict(word.split("=", 1) for word in words if word.partition("=")[0] in OWN)
    shared = tuple(word for word in words if word.partition("=")[0] not in OWN)
    _check(shared)
    grid = _part(grids.load(own["grid"], _value(shared, "dataset")), own)
    cells = [replace(cell, words=merged(cell.words, shared)) for cell in grids.cells(grid)]
    lines = [science(cell.words) for cell in cells]
    with known or Expansions() as facts:
        found = expand_all(lines, facts)
    refused = tuple(
        (cell, fact)
        for cell, line in zip(cells, lines, strict=True)
        if isinstance(fact := found[line], Refused)
    )
    if refused and len(refused) == len(cells):
        raise refused[0][1].error
    able = [
        (cell, fact)
        for cell, line in zip(cells, lines, strict=True)
        if isinstance(fact := found[line], Facts)
    ]
    first, step = grids.shard(own.get("shard", "0/1"))
    points = [
        Point(cell, seed, (*cell.words, f"seed={seed}"), fact)
        for seed in range(grid.seeds)
        for cell, fact in able
    ]
    out = Path(_value(shared, "out") or grids.run_defaults()["out"])
    workers = _positive(own.get("workers"), "workers") or 1
    return Plan(own["grid"], grid, tuple(points[first::step]), refused, shared, out, workers)


def _part(grid: Grid, own: dict[str, str]) -> Grid:
    """The rows, columns and seeds that were asked for."""
    rows, columns = (_listed(own.get(key)) for key in ("rows", "columns"))
    seeds = _positive(own.get("seeds"), "seeds")
    part = grids.chosen(grid, rows, columns)
    return replace(part, seeds=seeds) if seeds else part


def _listed(text: str | None) -> list[str] | None:
    """Names between commas; a comma inside a name is written twice."""
    if text is None:
        return None
    pieces = text.replace(",,", "\0").split(",")
    return [piece.replace("\0", ",").strip() for piece in pieces]


def _positive(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"Expected a number of {where}, but got {text}", where=where)
    return int(text)


def _check(shared: Sequence[str]) -> None:
    for word in shared:
        if word.startswith(("-", "seed=", "method=")):
            raise UsageError(
                "Expected settings that all runs of a grid share, but got this",
                where=word,
                todo="choose seeds with seeds=N; a grid names its methods itself",
            )


def _value(words: Sequence[str], key: str) -> str | None:
    found = [word.partition("=")[2] for word in words if word.partition("=")[0] == key]
    return found[-1] if found else None


def merged(words: Sequence[str], shared: Sequence[str]) -> tuple[str, ...]:
    """The words of a cell with those of the command line, which win."""
    given = {word.partition("=")[0] for word in shared}
    return (*(word for word in words if word.partition("=")[0] not in given), *shared)


def science(words: Sequence[str]) -> tuple[str, ...]:
    """The words that decide an experiment; the others would only fill the cache of facts."""
    hidden = plumbing_names()
    return tuple(word for word in words if word.lstrip("+").partition("=")[0] not in hidden)
