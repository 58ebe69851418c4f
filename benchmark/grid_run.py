"""``run grid=NAME``: every experiment of a grid with every seed; finished ones are skipped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark import compose, grids
from benchmark.console import say
from benchmark.errors import UsageError
from benchmark.experiment import resolve
from benchmark.grids import Cell, Grid

OWN = ("grid", "seeds", "shard")


@dataclass(frozen=True)
class Point:
    """One run of a grid: its cell, and the words of its command line."""

    cell: Cell
    words: tuple[str, ...]


def is_grid(words: Sequence[str]) -> bool:
    """Whether a command line names a grid."""
    return any(word.startswith("grid=") for word in words)


def points(words: Sequence[str]) -> list[Point]:
    """The runs that a command line asks for: all cells at seed 0, then at seed 1, and so on.

    Args:
        words: ``grid=NAME``, perhaps ``seeds=N`` (instead of the grid's own number) and
            ``shard=i/n`` (every n-th run from the i-th on); other words go to each run.

    Raises:
        UsageError: no such grid, a word that cannot be meant, or an experiment that cannot be.
    """
    own = dict(word.split("=", 1) for word in words if word.partition("=")[0] in OWN)
    shared = [word for word in words if word.partition("=")[0] not in OWN]
    _check(shared)
    grid = grids.load(own["grid"])
    first, step = grids.shard(own.get("shard", "0/1"))
    found = list(_points(grid, _seeds(own.get("seeds"), grid), shared))
    with compose.hydra_session():
        for cell in grids.cells(grid):
            resolve(compose.settings(_words(cell, shared)))
    return found[first::step]


def _check(shared: Sequence[str]) -> None:
    for word in shared:
        if word.startswith(("-", "seed=", "method=")):
            raise UsageError(
                "Expected settings that all runs of a grid share, but got this",
                where=word,
                todo="choose seeds with seeds=N; a grid names its methods itself",
            )


def _seeds(text: str | None, grid: Grid) -> int:
    if text is None:
        return grid.seeds
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"Expected a number of seeds, but got {text}", where="seeds")
    return int(text)


def _points(grid: Grid, seeds: int, shared: Sequence[str]) -> Iterator[Point]:
    for seed in range(seeds):
        for cell in grids.cells(grid):
            yield Point(cell, (*_words(cell, shared), f"seed={seed}"))


def _words(cell: Cell, shared: Sequence[str]) -> list[str]:
    """The words of a cell with those of the command line, which win."""
    given = {word.partition("=")[0] for word in shared}
    return [*(word for word in cell.words if word.partition("=")[0] not in given), *shared]


def announce(number: int, total: int, point: Point) -> None:
    """Say which run of a grid begins."""
    name = f"{point.cell.row} / {point.cell.column}" if point.cell.column else point.cell.row
    say("grid", f"{number} of {total}: {name}, {point.words[-1]}")
