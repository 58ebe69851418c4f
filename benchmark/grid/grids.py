"""Named sets of experiments: rows, perhaps crossed with columns, each with several seeds.

A grid is a YAML file in ``configs/grid``. Its entries are names of components or presets, which
make a stack, ``component.key=value`` for their settings, and ``group.key=value`` for anything else
that the command line takes. An experiment is a row's entries followed by a column's. One grid may
be defined for several data sets, of which a command line names one.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import yaml

from benchmark import identity
from benchmark.config import PositiveInt, parse
from benchmark.errors import UsageError, unknown
from benchmark.paths import config_dir
from benchmark.registry import yaml_names
from benchmark.vocabulary.presets import Preset, word

Kind = Literal["table", "matrix", "curves"]
Axis = Literal["", "n_train", "real_percent", "steps", "calls"]
Entries = dict[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a grid is on one data set; what is left out is as the grid has it.

    Attributes:
        words: overrides that all experiments share, besides those of the grid.
        seeds: runs of each experiment.
        rows: in place of the grid's own.
        columns: in place of the grid's own.
        curves: in place of the grid's own.
        skip: names of rows that make no sense on this data set.
    """

    words: tuple[str, ...] = ()
    seeds: PositiveInt | None = None
    rows: Entries = field(default_factory=dict)
    columns: Entries = field(default_factory=dict)
    curves: Entries = field(default_factory=dict)
    skip: tuple[str, ...] = ()


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
        kind: how it is shown: a "table" of rows, a "matrix" of gains over the first column, or
            "curves" of accuracy against ``x``.
        x: what curves are drawn over, read from the records: training images, percent of real ones
            among them, diffusion steps, or network calls.
        curves: names of rows, or "row/column", that make a curve, by its name; a curve a row where
            there are columns and this is left out.
        datasets: what the grid is on each data set, the default first.
        dataset: the one it stands for; "" where the grid names none.
    """

    rows: Entries = field(default_factory=dict)
    seeds: PositiveInt
    words: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    columns: Entries = field(default_factory=lambda: {"": ()})
    records: str = "leaderboards/records"
    kind: Kind = "table"
    x: Axis = ""
    curves: Entries = field(default_factory=dict)
    datasets: dict[str, Variant] = field(default_factory=dict)
    dataset: str = ""


@dataclass(frozen=True)
class Cell:
    """One experiment of a grid and the words that make it."""

    row: str
    column: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The row, and the column where there are several."""
        return f"{self.row} / {self.column}" if self.column else self.row


def load(name: str, dataset: str | None = None) -> Grid:
    """The grid called ``name``, on one of its data sets: by default the first.

    Raises:
        UsageError: no such grid, or a file that is none.
    """
    return on(load_file(name), dataset)


def load_file(name: str) -> Grid:
    """The grid called ``name`` as its file has it, for all its data sets.

    Raises:
        UsageError: no such grid, or a file that is none.
    """
    if name not in yaml_names("grid"):
        raise unknown("grid", name, yaml_names("grid"), where="grid")
    with (config_dir() / "grid" / f"{name}.yaml").open(encoding="utf-8") as file:
        values: Any = yaml.safe_load(file)
    return parsed(values if isinstance(values, Mapping) else {}, f"grid={name}")


def parsed(values: Mapping[str, Any], where: str) -> Grid:
    """A grid from plain values.

    Raises:
        UsageError: unknown or missing key, wrong type, impossible value.
    """
    datasets = values.get("datasets") or {}
    if isinstance(datasets, Mapping):
        # inside a mapping, parse lets a key pass that nothing is called
        for name, own in datasets.items():
            parse(Variant, own, f"{where}.datasets.{name}")
    return parse(Grid, values, where)


def on(grid: Grid, dataset: str | None = None) -> Grid:
    """A grid on one of its data sets; one that it does not name takes the words of the first."""
    if not grid.datasets:
        return grid
    chosen = dataset or next(iter(grid.datasets))
    own = grid.datasets.get(chosen) or next(iter(grid.datasets.values()))
    rows = own.rows or grid.rows
    return replace(
        grid,
        words=(f"dataset={chosen}", *grid.words, *own.words),
        seeds=own.seeds or grid.seeds,
        rows={name: entry for name, entry in rows.items() if name not in own.skip},
        columns=own.columns or grid.columns,
        curves=own.curves or grid.curves,
        dataset=chosen,
    )


def cells(grid: Grid) -> Iterator[Cell]:
    """Every experiment, row by row."""
    for row, first in grid.rows.items():
        for column, second in grid.columns.items():
            yield Cell(row, column, (*grid.words, *_words((*first, *second), grid.empty)))


def _words(entries: tuple[str, ...], empty: tuple[str, ...]) -> list[str]:
    """The overrides of a stack given by names and settings, and those of everything else."""
    stack = [entry for entry in entries if "=" not in entry] or list(empty)
    if not stack:
        raise UsageError(
            "Expected a component in every experiment of a grid", todo="name one under 'empty'"
        )
    given = [entry for entry in entries if "=" in entry]
    return [
        f"method=[{','.join(stack)}]" if len(stack) > 1 else f"method={stack[0]}",
        *(entry if _is_global(entry) else f"method.{entry}" for entry in given),
    ]


def _is_global(entry: str) -> bool:
    """Whether a setting is one of the command line's own, and not a component's."""
    return entry.partition("=")[0].partition(".")[0] in (*_GROUPS, *run_defaults())


_GROUPS = ("budget", "generator", "recipe", "backbone", "dataset")


@cache
def run_defaults() -> dict[str, str]:
    """Values and choices that a run starts from, as words have them: {"dataset": "digitslt"}."""
    with (config_dir() / "run.yaml").open(encoding="utf-8") as file:
        values: dict[str, Any] = yaml.safe_load(file)
    groups = [entry for entry in values.pop("defaults") if isinstance(entry, dict)]
    values.pop("hydra")
    chosen = {key: value for entry in groups for key, value in entry.items()}
    return {key: str(value) for key, value in (chosen | values).items() if key != "method"}


def canonical(words: Sequence[str]) -> frozenset[str]:
    """Words as a set: presets spelled out, without what holds anyway and Hydra's "+"."""
    plain = [part for each in words for part in _spelled_out(each.lstrip("+"))]
    pairs = {each: each.partition("=")[::2] for each in plain}
    chosen = run_defaults() | dict(pairs.values())
    return frozenset(
        each
        for each, (key, value) in pairs.items()
        if run_defaults().get(key) != value and _shipped(key, chosen) != value
    )


def _shipped(key: str, chosen: Mapping[str, str]) -> str | None:
    """The value that a setting has in the file that is chosen for its group, as a word has it."""
    group, _, name = key.partition(".")
    if not name or group not in _GROUPS[:-1]:
        return None
    return _settings(group, chosen[group]).get(name)


@cache
def _settings(group: str, choice: str) -> dict[str, str]:
    path = config_dir() / group / f"{choice}.yaml"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        values: Any = yaml.safe_load(file)
    return {str(key): word(value) for key, value in values.items()}


def _spelled_out(text: str) -> list[str]:
    """A method with its presets as stacks, beside what they set themselves; others as they are."""
    if not text.startswith("method="):
        return [text]
    known = [_presets()[name] for name in _names(text) if name in _presets()]
    settings = [own for preset in known for own in shlex.split(preset.words)[1:]]
    return [f"method=[{','.join(components([text]))}]", *settings]


def components(words: Sequence[str]) -> tuple[str, ...]:
    """The stack that words name, with those of presets."""
    named = [name for each in words if each.startswith("method=") for name in _names(each)]
    presets = _presets()
    return tuple(
        part for name in named for part in (presets[name].stack if name in presets else (name,))
    )


def _names(method: str) -> list[str]:
    return [name.strip() for name in method.partition("=")[2].strip("[]").split(",")]


@cache
def _presets() -> dict[str, Preset]:
    return identity.presets()


def chosen(grid: Grid, rows: Sequence[str] | None, columns: Sequence[str] | None) -> Grid:
    """A grid with some of its rows and columns only; None keeps all.

    Raises:
        UsageError: it has no row or column of that name.
    """
    return replace(
        grid,
        rows=_some(grid.rows, rows, "row"),
        columns=_some(grid.columns, columns, "column"),
    )


def _some(entries: Entries, wanted: Sequence[str] | None, noun: str) -> Entries:
    if wanted is None:
        return entries
    for name in wanted:
        if name not in entries:
            raise unknown(noun, name, entries, where=f"{noun}s")
    return {name: entry for name, entry in entries.items() if name in wanted}


def shard(text: str) -> tuple[int, int]:
    """Which part of a grid to run: "1/4" is the second of four.

    Raises:
        UsageError: anything else.
    """
    first, _, second = text.partition("/")
    plain = first.isdecimal() and second.isdecimal() and len(text) < 20
    if not (plain and int(first) < int(second)):
        raise UsageError(
            f"Expected i/n with i below n, but got {text}", where="shard", todo="set shard=0/2"
        )
    return int(first), int(second)
