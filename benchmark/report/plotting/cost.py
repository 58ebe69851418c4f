"""Accuracy against what the added images took, with the front that nothing cheaper beats."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.boards.leaderboard import Table
from benchmark.recording.record_models import TRACKS, Track
from benchmark.report.plotting.names import names
from benchmark.report.plotting.series import cap
from benchmark.report.plotting.style import (
    GREY,
    TRACK_MARKS,
    above,
    accuracy_label,
    canvas,
    shown_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# the others pay in images that somebody else made
PAYING = ("real", "synthetic")
_LETTERS = 60
# of more rows than this, only the front has intervals
_MOST_BARS = 30
# of two points nearer than this share of the axis, the second has its number higher up
_NEAR = 0.06
_LOW, _HIGH = 3, 9
_LINE = 0.11  # inches


@dataclass(frozen=True)
class Point:
    """A row of a leaderboard with its price.

    Attributes:
        track: where added images come from.
        label: the method.
        calls: network calls of its images and of fitting, mean over seeds.
        mean: accuracy, percent.
        half_width: of its 95 % interval; None where it has too few seeds for one.
        n: seeds.
        front: whether no row of the tracks that pay in calls is as good for as little.
    """

    track: Track
    label: str
    calls: float
    mean: float
    half_width: float | None
    n: int
    front: bool


def rows(table: Table) -> list[Point]:
    """Rows by ascending price; those whose price was not stated are left out.

    The front is that of the tracks real and synthetic: web and held-out images take no calls.
    """
    found = sorted(
        (row for row in table.rows if row.spent.known),
        key=lambda row: (row.spent.calls, -round(row.accuracy.mean, 10), row.label),
    )
    named, best = names(table.rows), -math.inf
    points = []
    for row in found:
        mean = round(row.accuracy.mean, 10)
        front = row.track in PAYING and mean > best
        best = mean if front else best
        points.append(
            Point(row.track, named[row.hash], row.spent.calls, 100 * row.accuracy.mean,
                  shown_width(row.accuracy), row.accuracy.n, front)
        )  # fmt: skip
    return points


def draw(points: Sequence[Point], ax: "Axes | None" = None) -> "tuple[Figure, Axes]":
    """Prices on a logarithmic axis with a place for none; the front as steps, its rows numbered.

    Args:
        points: of ``rows``, at least one.
        ax: axes to draw in; None makes a figure of one column.
    """
    front = [point for point in points if point.front]
    key = [f"{number} {point.label}" for number, point in enumerate(front, 1)]
    lines = [line for entry in key for line in textwrap.wrap(entry, _LETTERS)]
    with canvas(ax, 2.3 + _LINE * len(lines)) as (figure, axes):
        free, bars = _free_place(points), len(points) <= _MOST_BARS
        for track in TRACKS:
            own = [point for point in points if point.track == track]
            if own:
                look = TRACK_MARKS[track]
                axes.plot([], [], look.marker, color=look.colour, label=track)
            for point in own:
                _draw_point(axes, point, point.calls or free, bars)
        _draw_front(axes, front, free)
        _scale(axes, points, free)
        axes.set_ylabel(accuracy_label(point.n for point in points))
        axes.set_xlabel("network calls for the added images\n" + "\n".join(lines))
        axes.xaxis.label.set(multialignment="left", linespacing=1.25)
        cap(axes)
        axes.grid()
        axes.set_axisbelow(True)
        above(axes, 4)
    return figure, axes


def _free_place(points: Sequence[Point]) -> float:
    """Where rows without calls stand: a decade and a bit below the cheapest."""
    paid = [point.calls for point in points if point.calls > 0]
    return 10 ** (math.floor(math.log10(min(paid))) - 1) if paid else 1.0


def _draw_point(axes: "Axes", point: Point, x: float, bars: bool) -> None:
    look, ranked = TRACK_MARKS[point.track], point.half_width is not None
    colour = look.colour if ranked else GREY
    axes.errorbar(
        x, point.mean, yerr=point.half_width if bars or point.front else None, color=colour,
        marker=look.marker, markerfacecolor=colour if ranked else "white", linestyle="none",
        elinewidth=0.6, zorder=3,
    )  # fmt: skip


def _draw_front(axes: "Axes", front: Sequence[Point], free: float) -> None:
    places = [(point.calls or free, point.mean) for point in front]
    if places:
        axes.step(*zip(*places, strict=True), where="post", color=GREY, linewidth=0.8, zorder=2)
    span = math.log10(max(x for x, _ in places) / free) if places else 0.0
    lift, last = _LOW, 0.0
    for number, (x, y) in enumerate(places, 1):
        near = last and math.log10(x / last) < _NEAR * span
        lift, last = _HIGH if near and lift == _LOW else _LOW, x
        axes.annotate(
            str(number), (x, y), xytext=(-3, lift), textcoords="offset points", ha="right",
            fontweight="bold", zorder=5,
        )  # fmt: skip


def _scale(axes: "Axes", points: Sequence[Point], free: float) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_xscale("log")
    paid = [point.calls for point in points if point.calls > 0]
    end = max([free, *paid]) * 1.8
    low, high = round(math.log10(free)) + 1, math.floor(math.log10(end))
    decades = [10.0**power for power in range(low, high + 1)]
    axes.xaxis.set_major_locator(FixedLocator([free, *decades]))
    axes.set_xticklabels(["none", *(f"{value:,.0f}" for value in decades)])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(free / 2, end)
