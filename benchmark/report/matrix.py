"""A grid with rows and columns as tables: accuracy of each cell, and what each row changes in it.

For a grid of supplies and algorithms the question is whether an algorithm still helps once the
data were balanced; so every cell is compared with the plain algorithm on the same data.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark import stats
from benchmark.grids import Cell, Grid, cells
from benchmark.leaderboard import Row, distinct, rows_of
from benchmark.record_models import Record
from benchmark.report import csv_table, text
from benchmark.stats import Difference

MISSING = "-"
HEADER = (
    "row", "column", "seeds", "accuracy", "half_width", "few", "gain", "gain_half_width", "wins",
    "pairs", "p", "images_added", "experiment", "command",
)  # fmt: skip


@dataclass(frozen=True)
class Matrix:
    """A grid with the records of its cells.

    Attributes:
        grid: rows and columns.
        found: the records of each cell that has any, as a row of a leaderboard.
    """

    grid: Grid
    found: dict[tuple[str, str], Row]

    @property
    def plain(self) -> str:
        """The column that the others are compared with: the first."""
        return next(iter(self.grid.columns))

    def gain(self, row: str, column: str) -> Difference | None:
        """What a column changes against the plain one, by seed on the same rows of data."""
        both = self.found.get((row, column)), self.found.get((row, self.plain))
        if column == self.plain or both[0] is None or both[1] is None:
            return None
        return stats.paired(both[0].values, both[1].values)


def matrix(grid: Grid, records: Iterable[Record]) -> Matrix:
    """Sort records into the cells of a grid by the words that made them; others are ignored."""
    by_words: dict[frozenset[str], list[Record]] = {}
    for record in distinct(records):
        by_words.setdefault(frozenset(record.experiment.overrides), []).append(record)
    found = {}
    for cell in cells(grid):
        own = by_words.get(frozenset(cell.words))
        if own:
            (found[cell.row, cell.column],) = rows_of(own)
    return Matrix(grid, found)


def render(made: Matrix, title: str, command: str) -> str:
    """A page: accuracy, few-shot accuracy, gains over the plain column, and the answer in short."""
    parts = [
        ("Accuracy", "Mean over seeds ± half-width of the 95 % interval, percent.",
         lambda row, column: _accuracy(made, row, column)),
        ("Few-shot accuracy", "Mean over seeds, percent.",
         lambda row, column: _few(made, row, column)),
        (f"Gain over {made.plain}", "Paired by seed, on the same images, in points ± half-width of "
         "the 95 % interval. \\*: below 5 % after Holm's correction over this table.",
         lambda row, column: _gain(made, row, column, _significant(made))),
    ]  # fmt: skip
    pages = [f"## {name}\n\n{note}\n\n{_table(made, cell)}" for name, note, cell in parts]
    seeds = sorted({record.seed for row in made.found.values() for record in row.records})
    devices = sorted({r.cost.training.device for row in made.found.values() for r in row.records})
    head = (
        f"# {text.escape(title)}\n\nRows are algorithms, columns are what is added to the real "
        f"images. Seeds {', '.join(map(str, seeds))}; {', '.join(map(text.escape, devices))}. Made "
        f"by {text.code(command)}; each cell's own command is in the CSV file.\n"
    )
    return "\n".join([head, _averages(made), *pages])


def _table(made: Matrix, cell: Callable[[str, str], str]) -> str:
    """Columns of the grid down, its rows across: there are more algorithms than supplies."""
    rows, columns = list(made.grid.rows), list(made.grid.columns)
    lines = [[text.escape(column), *(cell(row, column) for row in rows)] for column in columns]
    return text.markdown_table(["", *map(text.escape, rows)], lines)


def _accuracy(made: Matrix, row: str, column: str) -> str:
    found = made.found.get((row, column))
    return text.estimate(found.accuracy) if found else MISSING


def _few(made: Matrix, row: str, column: str) -> str:
    found = made.found.get((row, column))
    return text.percent(found.groups[2]) if found else MISSING


def _gain(made: Matrix, row: str, column: str, significant: set[tuple[str, str]]) -> str:
    return text.difference(made.gain(row, column)) + "\\*" * ((row, column) in significant)


def _significant(made: Matrix) -> set[tuple[str, str]]:
    gains = {place: gap for place in made.found if (gap := made.gain(*place)) is not None}
    adjusted = stats.holm([gap.p for gap in gains.values()])
    return {place for place, p in zip(gains, adjusted, strict=True) if p < stats.ALPHA}


def _averages(made: Matrix) -> str:
    """Gains with nothing added beside the mean gain over the supplies, seeds as blocks."""
    first, *others = made.grid.rows
    lines = []
    for column in list(made.grid.columns)[1:]:
        alone, balanced = _pooled(made, [first], column), _pooled(made, others, column)
        change = stats.paired(balanced, alone) if alone and balanced else None
        lines.append([
            text.escape(column), *(text.difference(_estimate(each)) for each in (alone, balanced)),
            text.difference(change),
        ])  # fmt: skip
    header = ["", f"Gain: {text.escape(first)}", "Gain: mean of the other columns", "Change"]
    return (
        f"## In short\n\nGain of each algorithm over {text.escape(made.plain)} in points, with "
        "nothing added and on average over the columns in which images were added; intervals over "
        f"seeds.\n\n{text.markdown_table(header, lines)}"
    )


def _pooled(made: Matrix, rows: Sequence[str], column: str) -> dict[int, float]:
    """By seed, the mean over rows of the gain; seeds that all cells have."""
    pairs = [(made.found.get((row, column)), made.found.get((row, made.plain))) for row in rows]
    gains = [
        {seed: own.values[seed] - base.values[seed] for seed in own.values.keys() & base.values}
        for own, base in pairs
        if own and base
    ]
    seeds = set.intersection(*map(set, gains)) if gains else set()
    return {seed: stats.mean([gain[seed] for gain in gains]) for seed in sorted(seeds)}


def _estimate(gains: dict[int, float]) -> Difference | None:
    return stats.paired(gains, dict.fromkeys(gains, 0.0))


def render_csv(made: Matrix) -> str:
    """One line a cell, shares in [0, 1]."""
    present = [cell for cell in cells(made.grid) if (cell.row, cell.column) in made.found]
    return csv_table.write([HEADER, *(_cells(made, cell) for cell in present)])


def _cells(made: Matrix, cell: Cell) -> list[Any]:
    row, gap = made.found[cell.row, cell.column], made.gain(cell.row, cell.column)
    return [
        cell.row, cell.column, row.accuracy.n, _share(row.accuracy.mean),
        _share(row.accuracy.half_width), _share(row.groups[2]), _share(gap.mean if gap else None),
        _share(gap.half_width if gap else None), gap.wins if gap else "", gap.n if gap else "",
        gap.p if gap else "", row.added, row.hash, row.first.command,
    ]  # fmt: skip


def _share(value: float | None) -> str:
    return "" if value is None else text.number(value, 6)
