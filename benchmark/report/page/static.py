"""What stands on the page before its script runs, and all there is without one."""

from collections.abc import Iterator
from typing import Any

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, Table
from benchmark.report.page.views import GridView

MAX_ROWS = 100
HEADER = ("Method", "Rank", "Track", "Budget", "Seeds", "All", "Many", "Medium", "Few", "Gain")


def board_lines(table: Table) -> dict[str, Any]:
    """The first rows of a leaderboard as text."""
    return {
        "header": HEADER,
        "rows": [_cells(row) for row in table.rows[:MAX_ROWS]],
        "left": max(0, len(table.rows) - MAX_ROWS),
    }


def _cells(row: Row) -> list[str]:
    return [
        row.label,
        f"{text.ranks(row.ranks)} {row.letters}".strip(),
        row.track,
        row.first.budget.label,
        str(row.accuracy.n),
        text.estimate(row.accuracy),
        *(text.percent(group) for group in row.groups),
        text.difference(row.difference) + "*" * row.differs,
    ]


def grid_lines(grid: GridView) -> list[list[str]]:
    """A grid as text: a head, then a line for each column of the grid, or each row of a list."""
    if grid.curves:
        return list(_curve_lines(grid))
    found = {(cell.row, cell.column): text.estimate(cell.entry.accuracy) for cell in grid.cells}
    if len(grid.columns) == 1:
        only = grid.columns[0]
        return [["", "All"], *([row, found.get((row, only), text.NONE)] for row in grid.rows)]
    lines = [
        [column, *(found.get((row, column), text.NONE) for row in grid.rows)]
        for column in grid.columns
    ]
    return [["", *grid.rows], *lines]


def _curve_lines(grid: GridView) -> Iterator[list[str]]:
    yield ["Curve", grid.curves[0].x_label, "All"]
    for curve in grid.curves:
        for point in curve.points:
            yield [curve.name, f"{point.x:g}", text.estimate(point.entry.accuracy)]
