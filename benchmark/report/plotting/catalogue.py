"""Every plot that some leaderboards and grids give, by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmark.boards.leaderboard import Row, Table, pick
from benchmark.errors import unknown
from benchmark.grid.grid_results import GridResult, curves
from benchmark.report.plotting import board, captions, cost, heat, lines, tail

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# plots of one table
BOARD, COST, TAIL, GROUP_BARS = "leaderboard", "cost", "tail", "groups"
OF_TABLES = (BOARD, COST, TAIL, GROUP_BARS)
# grids that are one figure together
TOGETHER: Mapping[str, tuple[str, ...]] = {"figure2": ("figure2a", "figure2b")}


@dataclass(frozen=True)
class Plot:
    """A plot that can be drawn.

    Attributes:
        name: of its files.
        kind: what it shows: a word that chooses all of its kind.
        caption: one line.
        draw: makes the figure.
    """

    name: str
    kind: str
    caption: str
    draw: "Callable[[], tuple[Figure, Axes]]"


def of_table(table: Table, labels: Sequence[str] = ()) -> list[Plot]:
    """The plots of a leaderboard; none where it has one row only.

    Args:
        table: a leaderboard.
        labels: rows shown class by class, by label or hash, where it has them; by default the
            reference and the leader of each track.

    Raises:
        UsageError: several rows have such a label.
    """
    if len(table.rows) < 2:
        return []
    known = {name for row in table.rows for name in (row.label, row.hash)}
    picked = [pick(table.rows, label) for label in labels if label in known]
    rows = picked if labels else tail.chosen(table)
    counts = table.rows[0].first.dataset.counts_real
    # a balanced set has no tail
    rows = [] if min(counts) == max(counts) else rows
    makers = (_board, _cost, partial(_tail, rows=rows), partial(_groups, rows=rows))
    pairs = [make(table, f"{table.key.dataset}-{table.key.short_hash}") for make in makers]
    return [plot for plot in pairs if plot]


def _board(table: Table, where: str) -> Plot:
    name, dots = f"{BOARD}-{where}", board.rows(table)
    return Plot(name, BOARD, captions.leaderboard(name, table, dots), partial(board.draw, dots))


def _cost(table: Table, where: str) -> Plot | None:
    name, points = f"{COST}-{where}", cost.rows(table)
    # where the cost is what is equal, there is nothing to see
    if table.key.budget_rule or not any(point.calls for point in points):
        return None
    return Plot(name, COST, captions.cost(name, table, points), partial(cost.draw, points))


def _tail(table: Table, where: str, rows: Sequence[Row]) -> Plot | None:
    name, places = f"{TAIL}-{where}", tail.places(table, rows)
    caption = captions.tail(name, table, rows) if places else ""
    return Plot(name, TAIL, caption, partial(tail.draw_places, places)) if places else None


def _groups(table: Table, where: str, rows: Sequence[Row]) -> Plot | None:
    name, bars = f"{GROUP_BARS}-{where}", tail.bars(table, rows)
    caption = captions.groups(name, table, rows) if bars else ""
    return Plot(name, GROUP_BARS, caption, partial(tail.draw_bars, bars)) if bars else None


def of_grids(made: Sequence[GridResult]) -> list[Plot]:
    """The plots of grids, those that belong together in one."""
    plots: list[Plot] = []
    for kind, dataset in dict.fromkeys((kind_of(each.name), each.grid.dataset) for each in made):
        own = [e for e in made if (kind_of(e.name), e.grid.dataset) == (kind, dataset)]
        name = f"{kind}-{dataset}" if dataset else kind
        plots += (
            _maps(kind, name, own) if own[0].grid.kind == "matrix" else _curves(kind, name, own)
        )
    return plots


def kind_of(grid: str) -> str:
    """The figure that a grid is in."""
    return next((kind for kind, names in TOGETHER.items() if grid in names), grid)


def _curves(kind: str, name: str, made: Sequence[GridResult]) -> list[Plot]:
    own = [each for each in made if each.grid.kind == "curves" and curves(each)]
    points = lines.rows(own)
    if not points:
        return []
    caption = captions.curves(name, own, moved=lines.moved(points))
    return [Plot(name, kind, caption, partial(lines.draw, points))]


def _maps(kind: str, name: str, made: Sequence[GridResult]) -> list[Plot]:
    both: tuple[heat.What, ...] = ("accuracy", "gain")
    return [
        Plot(full, kind, captions.heat(full, each, what), partial(heat.draw, cells, what=what))
        for each in made
        for what in both
        for full, cells in [(f"{name}-{what}", heat.rows(each, what))]
        if any(cell.value is not None for cell in cells)
    ]


def chosen(names: Sequence[str], plots: Sequence[Plot], kinds: Sequence[str]) -> list[Plot]:
    """The plots with these names or of these kinds; all without any.

    Args:
        names: as typed.
        plots: what there is.
        kinds: words that may be typed though there is nothing to draw yet.

    Raises:
        UsageError: an unknown name, with the nearest ones.
    """
    for name in names:
        known = {*kinds, *(plot.name for plot in plots)}
        if name not in known:
            raise unknown("plot", name, known, where="report plots")
    return [plot for plot in plots if not names or {plot.name, plot.kind} & set(names)]
