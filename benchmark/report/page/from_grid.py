"""A grid's results in the plain form of the page."""

from collections.abc import Sequence

from benchmark.boards import text
from benchmark.boards.leaderboard import Row
from benchmark.grid.grid_results import GridResult, Place, curves
from benchmark.report import grid_page, matrix
from benchmark.report.page.views import (
    CellView,
    CurveView,
    GridView,
    MissingView,
    PointView,
    ShortView,
)
from benchmark.statistics.stats import Difference


def views(results: Sequence[GridResult]) -> list[GridView]:
    """What the page shows of several grids, in their order."""
    return [view(made) for made in results]


def view(made: GridResult) -> GridView:
    """What the page shows of a grid that has at least one record."""
    differing = matrix.significant(made) if made.grid.kind == "matrix" else set()
    return GridView(
        name=made.key,
        title=made.title,
        command=made.command,
        dataset=next(iter(made.found.values())).first.dataset.name,
        rows=tuple(made.grid.rows),
        columns=tuple(made.grid.columns),
        plain=_plain(made),
        cells=tuple(_cell(made, place, row, differing) for place, row in made.found.items()),
        missing=tuple(
            MissingView(each.cell.name, len(each.seeds), each.command) for each in made.missing
        ),
        curves=_curves(made),
        short=_short(made) if made.grid.kind == "matrix" else None,
    )


def _plain(made: GridResult) -> str:
    if made.grid.kind == "matrix":
        return matrix.plain(made)
    return next(iter(made.grid.rows)) if made.grid.kind == "table" else ""


def _cell(made: GridResult, place: Place, row: Row, differing: set[Place]) -> CellView:
    return CellView(*place, row, _gain(made, place, row), place in differing)


def _gain(made: GridResult, place: Place, row: Row) -> Difference | None:
    """Over the plain column, or over the first row of a list; curves have none."""
    if made.grid.kind == "matrix":
        return matrix.gain(made, *place)
    if made.grid.kind == "curves":
        return None
    return grid_page.gap(row, grid_page.reference(made, place[1]))


def _short(made: GridResult) -> ShortView:
    """Gains with nothing added beside those with something: does one make the other needless?"""
    lines = tuple(
        (each.column, *map(text.difference, (each.alone, each.others, each.change)))
        for each in matrix.averages(made)
    )
    first = next(iter(made.grid.rows))
    return ShortView(
        caption=f"In short: gain over {matrix.plain(made)} in points, with nothing added and on "
        "average over everything that was added; 95 % intervals over seeds.",
        header=("", f"Gain: {first}", "Gain: mean of the others", "Change"),
        rows=lines,
    )


def _curves(made: GridResult) -> tuple[CurveView, ...]:
    if made.grid.kind != "curves":
        return ()
    return tuple(
        CurveView(
            curve.name,
            curve.x_label,
            tuple(PointView(point.x, point.name, point.row) for point in curve.points),
        )
        for curve in curves(made)
    )
