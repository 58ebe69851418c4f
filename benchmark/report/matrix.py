"""A grid with rows and columns as tables: accuracy of each cell, and what each row changes in it.

For a grid of supplies and algorithms the question is whether an algorithm still helps once the
data were balanced; so every cell is compared with the plain algorithm on the same data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmark.boards import text
from benchmark.grid.grid_results import GridResult
from benchmark.statistics import stats
from benchmark.statistics.stats import Difference

MISSING = "-"


def plain(made: GridResult) -> str:
    """The column that the others are compared with: the first."""
    return next(iter(made.grid.columns))


def gain(made: GridResult, row: str, column: str) -> Difference | None:
    """What a column changes against the plain one, by seed on the same rows of data."""
    both = made.found.get((row, column)), made.found.get((row, plain(made)))
    if column == plain(made) or both[0] is None or both[1] is None:
        return None
    return stats.paired(both[0].values, both[1].values)


def render(made: GridResult) -> str:
    """Sections of a page: the answer in short, accuracy, few-shot accuracy, gains."""
    marked = significant(made)
    parts = [
        ("Accuracy", "Mean over seeds ± half-width of the 95 % interval, percent.",
         lambda row, column: _accuracy(made, row, column)),
        ("Few-shot accuracy", "Mean over seeds, percent.",
         lambda row, column: _few(made, row, column)),
        (f"Gain over {text.escape(plain(made))}", "Paired by seed, on the same images, in points ± "
         "half-width of the 95 % interval. \\*: below 5 % after Holm's correction over this table.",
         lambda row, column: _gain(made, row, column, marked)),
    ]  # fmt: skip
    said = "Rows are algorithms, columns are what is added to the real images.\n"
    pages = [f"## {name}\n\n{note}\n\n{_table(made, cell)}" for name, note, cell in parts]
    return "\n".join([said, _averages(made), *pages])


def _table(made: GridResult, cell: Callable[[str, str], str]) -> str:
    """Columns of the grid down, its rows across: there are more algorithms than supplies."""
    rows, columns = list(made.grid.rows), list(made.grid.columns)
    lines = [[text.escape(column), *(cell(row, column) for row in rows)] for column in columns]
    return text.markdown_table(["", *map(text.escape, rows)], lines)


def _accuracy(made: GridResult, row: str, column: str) -> str:
    found = made.found.get((row, column))
    return text.estimate(found.accuracy) if found else MISSING


def _few(made: GridResult, row: str, column: str) -> str:
    found = made.found.get((row, column))
    return text.percent(found.groups[2]) if found else MISSING


def _gain(made: GridResult, row: str, column: str, significant: set[tuple[str, str]]) -> str:
    return text.difference(gain(made, row, column)) + "\\*" * ((row, column) in significant)


def significant(made: GridResult) -> set[tuple[str, str]]:
    """Cells whose gain is told apart from none, by Holm's correction over the grid.

    None with fewer than three common seeds.
    """
    found = {place: gap for place in made.found if (gap := gain(made, *place)) is not None}
    gains = {place: gap for place, gap in found.items() if gap.n >= stats.MIN_SEEDS}
    adjusted = stats.holm([gap.p for gap in gains.values()])
    return {place for place, p in zip(gains, adjusted, strict=True) if p < stats.ALPHA}


@dataclass(frozen=True)
class Average:
    """What a column changes against the plain one, by what its rows add.

    Attributes:
        column: of the grid.
        alone: in the first row, where nothing is added.
        others: on average over the other rows.
        change: the second less the first; None without common seeds.
    """

    column: str
    alone: Difference | None
    others: Difference | None
    change: Difference | None


def averages(made: GridResult) -> list[Average]:
    """Gains with nothing added beside the mean gain over the supplies, seeds as blocks."""
    first, *rest = made.grid.rows
    found = []
    for column in list(made.grid.columns)[1:]:
        alone, others = _pooled(made, [first], column), _pooled(made, rest, column)
        change = stats.paired(others, alone) if alone and others else None
        found.append(Average(column, _estimate(alone), _estimate(others), change))
    return found


def _averages(made: GridResult) -> str:
    lines = [
        [text.escape(each.column), *map(text.difference, (each.alone, each.others, each.change))]
        for each in averages(made)
    ]
    first = next(iter(made.grid.rows))
    header = ["", f"Gain: {text.escape(first)}", "Gain: mean of the other columns", "Change"]
    return (
        f"## In short\n\nGain of each algorithm over {text.escape(plain(made))} in points, with "
        "nothing added and on average over the columns in which images were added; intervals over "
        f"seeds.\n\n{text.markdown_table(header, lines)}"
    )


def _pooled(made: GridResult, rows: Sequence[str], column: str) -> dict[int, float]:
    """By seed, the mean over rows of the gain; seeds that all cells have."""
    pairs = [(made.found.get((row, column)), made.found.get((row, plain(made)))) for row in rows]
    gains = [
        {seed: own.values[seed] - base.values[seed] for seed in own.values.keys() & base.values}
        for own, base in pairs
        if own and base
    ]
    # a mean over other columns would stand under the same heading
    complete = gains and len(gains) == len(rows)
    seeds = set.intersection(*map(set, gains)) if complete else set()
    return {seed: stats.mean([gain[seed] for gain in gains]) for seed in sorted(seeds)}


def _estimate(gains: dict[int, float]) -> Difference | None:
    return stats.paired(gains, dict.fromkeys(gains, 0.0))
