"""A grid with the records of its cells: what tables, curves and matrices are drawn from.

Records are found by their words, so nothing is composed and no torch imported; that the words of a
committed record still give its hash is a test of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmark.boards.leaderboard import Row, distinct, rows_of
from benchmark.grid import grids
from benchmark.grid.grid_status import command
from benchmark.grid.grids import Axis, Cell, Grid
from benchmark.paths import config_dir
from benchmark.recording.record_models import Record
from benchmark.recording.versions import outdated
from benchmark.registry import yaml_names
from benchmark.vocabulary.source import yaml_head

Place = tuple[str, str]
X_LABELS: Mapping[Axis, str] = {
    "n_train": "training images",
    "real_percent": "real images, percent of the training set",
    "steps": "diffusion steps",
    "calls": "network calls",
}


@dataclass(frozen=True)
class Missing:
    """Runs of a cell that have no record.

    Attributes:
        cell: the experiment.
        seeds: those without a record.
        command: what makes them.
    """

    cell: Cell
    seeds: tuple[int, ...]
    command: str


@dataclass(frozen=True)
class GridResult:
    """A grid on one data set with what its records came to.

    Attributes:
        name: of the grid.
        title: its file's summary.
        grid: rows and columns.
        found: of each cell that has records, those of the grid's own seeds, as an unranked row.
        missing: cells that lack some.
    """

    name: str
    title: str
    grid: Grid
    found: dict[Place, Row]
    missing: tuple[Missing, ...]

    @property
    def command(self) -> str:
        """The command that makes the whole grid."""
        default = next(iter(self.grid.datasets), self.grid.dataset)
        own = f" dataset={self.grid.dataset}" if self.grid.dataset != default else ""
        return f"python -m benchmark run grid={self.name}{own}"

    @property
    def key(self) -> str:
        """A name of grid and data set for files and links."""
        return f"{self.name}-{self.grid.dataset}" if self.grid.dataset else self.name


@dataclass(frozen=True)
class CurvePoint:
    """A place on a curve: the mean over seeds of what is on the axis, and the cell's row."""

    x: float
    name: str
    row: Row


@dataclass(frozen=True)
class Curve:
    """Cells in the order of the axis."""

    name: str
    x_label: str
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class _Sorted:
    """Records by experiment, and the experiment that words stand for; made once for all grids."""

    hashes: Mapping[frozenset[str], str]
    by_hash: Mapping[str, tuple[Record, ...]]

    def of(self, words: Sequence[str]) -> tuple[Record, ...]:
        """The records of the experiment that the words made, under whatever words they stand."""
        return self.by_hash.get(self.hashes.get(grids.canonical(words), ""), ())


def _sorted(records: Iterable[Record]) -> _Sorted:
    hashes: dict[frozenset[str], str] = {}
    by_hash: dict[str, tuple[Record, ...]] = {}
    for record in distinct(records):
        own = record.experiment
        words = grids.canonical(own.overrides)
        first = by_hash.get(hashes.setdefault(words, own.hash), (record,))[0]
        # words outlive versions of components: the newer one is meant
        if first.experiment.hash != own.hash and outdated(first) and not outdated(record):
            hashes[words] = own.hash
        by_hash[own.hash] = (*by_hash.get(own.hash, ()), record)
    return _Sorted(hashes, by_hash)


def result(name: str, grid: Grid, records: Iterable[Record]) -> GridResult:
    """Sort records into the cells of a grid by the words that made them; others are ignored.

    Where a record has the words of a cell, all records of its experiment count, under whatever
    words they were made.
    """
    return _result(name, grid, _sorted(records))


def _result(name: str, grid: Grid, known: _Sorted) -> GridResult:
    found: dict[Place, Row] = {}
    missing: list[Missing] = []
    for cell in grids.cells(grid):
        own = [record for record in known.of(cell.words) if record.seed < grid.seeds]
        if own:
            (found[cell.row, cell.column],) = rows_of(own)
        seeds = tuple(sorted(set(range(grid.seeds)) - {record.seed for record in own}))
        if seeds:
            missing.append(Missing(cell, seeds, command(cell.words, seeds)))
    title = yaml_head(config_dir() / "grid" / f"{name}.yaml").summary.rstrip(".")
    return GridResult(name, title, grid, found, tuple(missing))


def results(records: Iterable[Record]) -> list[GridResult]:
    """Every shipped grid on every data set that it has a record of."""
    known = _sorted(records)
    made = [
        _result(name, grids.on(grid, dataset), known)
        for name in yaml_names("grid")
        for grid in [grids.load_file(name)]
        for dataset in grid.datasets or ("",)
    ]
    return [each for each in made if each.found]


def curves(made: GridResult) -> list[Curve]:
    """The curves of a grid; cells without records are left out, and other kinds have none."""
    grid = made.grid
    if not grid.x:
        return []
    named = grid.curves or {row: tuple(f"{row}/{c}" for c in grid.columns) for row in grid.rows}
    found = [
        Curve(name, X_LABELS[grid.x], tuple(_points(made, entries)))
        for name, entries in named.items()
    ]
    return [curve for curve in found if curve.points]


def _points(made: GridResult, entries: Sequence[str]) -> list[CurvePoint]:
    points = []
    for entry in entries:
        row = entry if entry in made.grid.rows else entry.rpartition("/")[0]
        column = "" if entry in made.grid.rows else entry.rpartition("/")[2]
        own = made.found.get((row, column))
        if own:
            points.append(CurvePoint(_mean_x(own, made.grid.x), row, own))
    return sorted(points, key=lambda point: point.x)


def _mean_x(row: Row, axis: Axis) -> float:
    """Mean over seeds of what the axis shows."""
    values = [_x(record, axis) for record in row.records]
    return round(sum(values) / len(values), 6)


def _x(record: Record, axis: Axis) -> float:
    if axis == "n_train":
        return record.dataset.n_train
    if axis == "real_percent":
        return 100 * sum(record.budget.keep) / record.dataset.n_train
    if axis == "steps":
        return _steps(record)
    # under an equal-cost protocol, what may be spent; a count that does not divide it is less
    return record.budget.limit or 0.0


def _steps(record: Record) -> float:
    found = record.pool.generator.get("steps") if record.pool else None
    return float(found) if isinstance(found, int | float) else 0.0


def records_folders() -> list[Path]:
    """Where the committed records of grids are, each folder once."""
    return sorted({Path(grids.load_file(name).records) for name in yaml_names("grid")})


def home(record: Record, board: Path) -> Path | None:
    """The folder of the grid that a run is made for; None for one of the leaderboards.

    A run that several grids share belongs to the leaderboards if one of them does or if it has a
    row there, else to the first grid by name.
    """
    owners = _owners().get(grids.canonical(record.experiment.overrides), ())
    on_board = any(board.glob(f"*/*/{record.experiment.hash}"))
    return None if not owners or board in owners or on_board else owners[0]


@cache
def _owners() -> dict[frozenset[str], tuple[Path, ...]]:
    """The folders of the grids that hold an experiment, by its words."""
    found: dict[frozenset[str], tuple[Path, ...]] = {}
    for name in yaml_names("grid"):
        grid = grids.load_file(name)
        for dataset in grid.datasets or ("",):
            for cell in grids.cells(grids.on(grid, dataset)):
                key = grids.canonical(cell.words)
                found[key] = (*found.get(key, ()), Path(grid.records))
    return found
