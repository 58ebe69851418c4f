"""A grid as a page: the table, the curves or the matrix, and the commands of what is missing."""

import math
from collections.abc import Sequence

from benchmark.boards import text
from benchmark.boards.leaderboard import Row
from benchmark.boards.pool_variance import Components, families
from benchmark.grid.grid_results import Curve, GridResult, Place, curves
from benchmark.grid.grids import cells
from benchmark.report import csv_table, matrix
from benchmark.statistics import stats
from benchmark.statistics.stats import Difference

HEADER = (
    "grid", "dataset", "row", "column", "x", "seeds", "accuracy", "half_width", "many", "medium",
    "few", "difference", "difference_half_width", "wins", "pairs", "p", "images_added",
    "network_calls", "experiment", "command",
)  # fmt: skip


def render(made: GridResult) -> str:
    """The whole page."""
    parts = [_head(made), _body(made), _spread(made), _missing(made), _commands(made)]
    return "\n".join(part for part in parts if part)


def _head(made: GridResult) -> str:
    records = [record for row in made.found.values() for record in row.records]
    seeds = sorted({record.seed for record in records})
    devices = sorted({record.cost.training.device for record in records})
    done = len(list(cells(made.grid))) - len(made.missing)
    where = f": {made.grid.dataset}" if made.grid.dataset else ""
    return (
        f"# {text.escape(made.title)}{text.escape(where)}\n\nMade by {text.code(made.command)}; "
        f"{done} of {len(list(cells(made.grid)))} experiments complete. Seeds "
        f"{', '.join(map(str, seeds))}; {', '.join(map(text.escape, devices))}. All: mean over "
        "seeds ± half-width of the 95 % Student interval, percent.\n"
    )


def _body(made: GridResult) -> str:
    if made.grid.kind == "matrix":
        return matrix.render(made)
    if made.grid.kind == "curves":
        return "\n".join(_curve(curve, reference(made)) for curve in curves(made))
    return "\n".join(_column(made, column) for column in made.grid.columns)


def reference(made: GridResult, column: str | None = None) -> Row | None:
    """The first cell with records, of one column or of all: what the others are compared with."""
    rows = (row for place, row in made.found.items() if column in (None, place[1]))
    return next(rows, None)


def gap(row: Row, base: Row | None) -> Difference | None:
    """A row against the reference, by seed where the split follows the seed."""
    if base is None or row is base:
        return None
    if row.first.dataset.design == "blocked":
        return stats.paired(row.values, base.values)
    return stats.unpaired(row.values, base.values, stats.pooled_variance([row.values, base.values]))


_COLUMNS = ["Seeds", "All", "Many", "Medium", "Few", "Difference", "Images added", "Network calls"]


def _column(made: GridResult, column: str) -> str:
    rows = {row: made.found[row, column] for row in made.grid.rows if (row, column) in made.found}
    base = reference(made, column)
    if base is None:
        return ""
    marks = _told_apart(list(rows.values()), base)
    lines = [
        [text.escape(name), *_cells(row, base, row.hash in marks)] for name, row in rows.items()
    ]
    title = f"## {text.escape(column)}\n\n" if column else ""
    first = text.escape(next(iter(rows)))
    how = ", by seed" if base.first.dataset.design == "blocked" else ""
    note = f"Difference: to {first}{how}. \\*: below 5 % after Holm's correction.\n"
    return f"{title}{text.markdown_table(['', *_COLUMNS], lines)}\n{note}"


def _told_apart(rows: Sequence[Row], base: Row) -> set[str]:
    """Hashes of rows that differ from the reference; none with fewer than three seeds."""
    pairs = [(row, found) for row in rows if (found := gap(row, base)) is not None]
    able = [(row, found.p) for row, found in pairs if found.n >= stats.MIN_SEEDS]
    adjusted = stats.holm([p for _, p in able])
    return {row.hash for (row, _), p in zip(able, adjusted, strict=True) if p < stats.ALPHA}


def _cells(row: Row, base: Row | None, differs: bool) -> list[str]:
    return [
        str(row.accuracy.n),
        text.estimate(row.accuracy),
        *(text.percent(value) for value in row.groups),
        text.difference(gap(row, base)) + "\\*" * differs,
        str(row.added),
        f"{row.spent.calls:,.0f}",
    ]


def _curve(curve: Curve, base: Row | None) -> str:
    rows = [point.row for point in curve.points]
    marks = _told_apart(rows, base) if base else set()
    lines = [
        [
            text.escape(point.name),
            _number(point.x),
            *_cells(point.row, base, point.row.hash in marks),
        ]
        for point in curve.points
    ]
    header = ["", curve.x_label[:1].upper() + curve.x_label[1:], *_COLUMNS]
    return f"## {text.escape(curve.name)}\n\n{text.markdown_table(header, lines)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def _spread(made: GridResult) -> str:
    """Variance of pools and of seeds, for families of runs in which the two are crossed."""
    records = [record for row in made.found.values() for record in row.records]
    lines = [
        [
            text.escape(family.label), f"{len(found.pools)} x {len(found.seeds)}",
            text.estimate(found.mean),
            *(text.percent(math.sqrt(v)) for v in (found.pool, found.seed, found.rest)),
            text.percent(found.pool_share, 0),
        ]
        for family in families(records)
        if isinstance(found := family.components(), Components)
    ]  # fmt: skip
    if not lines:
        return ""
    header = [
        "",
        "Pools x seeds",
        "All",
        "SD of pools",
        "SD of seeds",
        "SD of the rest",
        "Pools, %",
    ]
    said = (
        "Standard deviations in points, by the method of moments; the last column is the pools' "
        "share of one run's variance. Where the split follows the seed, it is part of the seeds'.\n"
    )
    return f"## Pools and seeds\n\n{text.markdown_table(header, lines)}\n{said}"


def _missing(made: GridResult) -> str:
    if not made.missing:
        return ""
    lines = [
        f"- {text.escape(each.cell.name)}, {len(each.seeds)} of {made.grid.seeds} seeds: "
        f"{text.code(each.command)}\n"
        for each in made.missing
    ]
    return f"## Missing\n\n{''.join(lines)}"


def _commands(made: GridResult) -> str:
    """One command an experiment, but for a matrix, whose CSV file holds a hundred of them."""
    if made.grid.kind == "matrix":
        return "Each cell's command is in the CSV file beside this page.\n"
    lines = [
        f"- {text.escape(_name(place))}: {text.code(row.first.command)}\n"
        for place, row in made.found.items()
    ]
    return f"## Commands\n\nAt the first seed:\n\n{''.join(lines)}"


def _name(place: Place) -> str:
    return f"{place[0]} / {place[1]}" if place[1] else place[0]


def render_csv(made: GridResult) -> str:
    """One line a cell, shares in [0, 1]; differences as on the page."""
    x = {(point.name, point.row.hash): point.x for c in curves(made) for point in c.points}
    lines = [
        _csv_cells(made, cell.row, cell.column, x)
        for cell in cells(made.grid)
        if (cell.row, cell.column) in made.found
    ]
    return csv_table.write([HEADER, *lines])


def _csv_cells(
    made: GridResult, row: str, column: str, x: dict[tuple[str, str], float]
) -> list[object]:
    own = made.found[row, column]
    found = _compared(made, row, column)
    place = x.get((row, own.hash))
    return [
        made.name, made.grid.dataset, row, column, "" if place is None else f"{place:g}",
        own.accuracy.n, _share(own.accuracy.mean), _share(own.accuracy.half_width),
        *map(_share, own.groups), _share(found.mean if found else None),
        _share(found.half_width if found else None), found.wins if found else "",
        found.n if found else "", found.p if found else "", own.added,
        text.number(own.spent.calls, 0), own.hash, own.first.command,
    ]  # fmt: skip


def _compared(made: GridResult, row: str, column: str) -> Difference | None:
    """A cell's difference as the page has it: to the plain one, the column's first, the first."""
    if made.grid.kind == "matrix":
        return matrix.gain(made, row, column)
    base = reference(made, column if made.grid.kind == "table" else None)
    return gap(made.found[row, column], base)


def _share(value: float | None) -> str:
    return "" if value is None else text.number(value, 6)
