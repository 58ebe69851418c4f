"""Named sets of experiments: rows, perhaps crossed with columns, each with several seeds.

A grid is a YAML file in ``configs/grid``. Its entries are stacks: names of components or presets,
and ``component.key=value`` for their settings. An experiment is a row's entry followed by a
column's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from benchmark.config import PositiveInt, parse
from benchmark.errors import UsageError, unknown
from benchmark.paths import config_dir
from benchmark.registry import yaml_names


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A set of experiments.

    Attributes:
        rows: the words of each row, by its name in tables.
        seeds: runs of each experiment, from seed 0.
        words: overrides that all experiments share.
        empty: the entry of an experiment whose row and column are empty.
        columns: the words of each column; the one column of a plain list is "".
        records: folder of the committed records, if not that of all records.
    """

    rows: dict[str, tuple[str, ...]]
    seeds: PositiveInt
    words: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    columns: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"": ()})
    records: str = "leaderboards/records"


@dataclass(frozen=True)
class Cell:
    """One experiment of a grid and the words that make it."""

    row: str
    column: str
    words: tuple[str, ...]


def load(name: str) -> Grid:
    """The grid called ``name``.

    Raises:
        UsageError: no such grid, or a file that is none.
    """
    if name not in yaml_names("grid"):
        raise unknown("grid", name, yaml_names("grid"), where="grid")
    with (config_dir() / "grid" / f"{name}.yaml").open(encoding="utf-8") as file:
        values: Any = yaml.safe_load(file)
    return parse(Grid, values if isinstance(values, Mapping) else {}, f"grid={name}")


def cells(grid: Grid) -> Iterator[Cell]:
    """Every experiment, row by row."""
    for row, first in grid.rows.items():
        for column, second in grid.columns.items():
            yield Cell(row, column, (*grid.words, *_method((*first, *second) or grid.empty)))


def _method(entries: tuple[str, ...]) -> list[str]:
    """The overrides of a stack given by names and settings."""
    stack = [entry for entry in entries if "=" not in entry]
    if not stack:
        raise UsageError(
            "Expected a component in every experiment of a grid", todo="name one under 'empty'"
        )
    return [
        f"method=[{','.join(stack)}]" if len(stack) > 1 else f"method={stack[0]}",
        *(f"method.{entry}" for entry in entries if "=" in entry),
    ]


def shard(text: str) -> tuple[int, int]:
    """Which part of a grid to run: "1/4" is the second of four.

    Raises:
        UsageError: anything else.
    """
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and int(first) < int(second)):
        raise UsageError(
            f"Expected i/n with i below n, but got {text}", where="shard", todo="set shard=0/2"
        )
    return int(first), int(second)
