"""The curves of a grid: means with 95 % bands, and what stands outside them as lines across."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.grid.grid_results import X_LABELS, GridResult, curves
from benchmark.report.plotting.series import MOST_BANDS, Spot, cap, draw_series
from benchmark.report.plotting.style import (
    GREY,
    HEIGHT,
    above,
    accuracy_label,
    canvas,
    mark,
    shown_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOGARITHMIC = (X_LABELS["steps"], X_LABELS["calls"])
_APART = 0.025
_MOST_TICKS = 8
_ENTRY = 0.13  # inches of a line of the legend


@dataclass(frozen=True)
class Point:
    """An experiment of a grid.

    Attributes:
        curve: its curve; the experiment's own name where it is on none.
        x_label: what is on the horizontal axis.
        x: its place there; None for one that is on no curve, a line across.
        name: of the experiment.
        mean: accuracy, percent.
        half_width: of its 95 % interval; None where it has too few seeds for one.
        n: seeds.
    """

    curve: str
    x_label: str
    x: float | None
    name: str
    mean: float
    half_width: float | None
    n: int


def rows(made: Sequence[GridResult]) -> list[Point]:
    """Points of all curves of grids with one axis, curve by curve; those on no curve last."""
    found = [
        Point(curve.name, curve.x_label, point.x, point.name, 100 * point.row.accuracy.mean,
              shown_width(point.row.accuracy), point.row.accuracy.n)
        for grid in made
        for curve in curves(grid)
        for point in curve.points
    ]  # fmt: skip
    return [*found, *(point for grid in made for point in _across(grid))]


def _across(made: GridResult) -> list[Point]:
    on_curves = {point.row.hash for curve in curves(made) for point in curve.points}
    return [
        Point(place[0], X_LABELS[made.grid.x], None, place[0], 100 * row.accuracy.mean,
              shown_width(row.accuracy), row.accuracy.n)
        for place, row in made.found.items()
        if row.hash not in on_curves
    ]  # fmt: skip


def draw(points: Sequence[Point], ax: "Axes | None" = None) -> "tuple[Figure, Axes]":
    """Curves with bands, or with bars where there are many; hollow points have too few seeds.

    Args:
        points: of ``rows``, at least one.
        ax: axes to draw in; None makes a figure of one column.
    """
    names = list(dict.fromkeys(point.curve for point in points if point.x is not None))
    across = [point for point in points if point.x is None]
    columns = 2 if max(map(len, [*names, ""])) <= 26 else 1
    entries = -(-(len(names) + len(across)) // columns)
    with canvas(ax, HEIGHT + _ENTRY * entries) as (figure, axes):
        _set_scale(axes, points)
        for number, name in enumerate(names):
            shift = 1 + _APART * (number - (len(names) - 1) / 2) * moved(points)
            spots = [
                Spot(point.x * shift, point.mean, point.half_width)
                for point in points
                if point.curve == name and point.x is not None
            ]
            draw_series(axes, spots, mark(number), name, bands=len(names) <= MOST_BANDS)
        for point in across:
            _draw_across(axes, point)
        axes.set_xlabel(points[0].x_label)
        axes.set_ylabel(accuracy_label(point.n for point in points))
        cap(axes)
        axes.grid()
        axes.set_axisbelow(True)
        above(axes, columns)
    return figure, axes


def moved(points: Sequence[Point]) -> bool:
    """Whether bars of one place are drawn side by side: those of many curves."""
    names = {point.curve for point in points if point.x is not None}
    return len(names) > MOST_BANDS and points[0].x_label in LOGARITHMIC


def _draw_across(axes: "Axes", point: Point) -> None:
    axes.axhline(point.mean, color=GREY, linewidth=0.9, linestyle=(0, (6, 2)), label=point.curve,
                 zorder=2)  # fmt: skip
    if point.half_width is not None:
        low, high = point.mean - point.half_width, point.mean + point.half_width
        axes.axhspan(low, high, color=GREY, alpha=0.12, linewidth=0, zorder=1)


def _set_scale(axes: "Axes", points: Sequence[Point]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    if points[0].x_label in LOGARITHMIC:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        places = sorted({point.x for point in points if point.x})
        if places and len(places) <= _MOST_TICKS:
            axes.set_xticks(places)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
