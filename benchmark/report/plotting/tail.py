"""Accuracy along the tail: place by place as lines, and by shot group as bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.tail import along_tail
from benchmark.recording.record_models import TRACKS
from benchmark.report.plotting.names import names
from benchmark.report.plotting.series import MOST_BANDS, Spot, cap, draw_series
from benchmark.report.plotting.style import above, accuracy_label, canvas, mark, shown_width
from benchmark.statistics import stats
from benchmark.statistics.metrics import GROUPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# more places than this have no markers and no counts
_FEW_PLACES = 20
_BARS = 0.82
_APART = 0.1
_HEIGHT = 2.2
_ENTRY = 0.13  # inches of a line of the legend


@dataclass(frozen=True)
class Place:
    """One method at one place along the tail.

    Attributes:
        label: the method.
        rank: 1 for the class with the most real images.
        count: real training images, mean over seeds.
        mean: accuracy, percent.
        half_width: of its 95 % interval; None where it has too few seeds for one.
        n: seeds.
    """

    label: str
    rank: int
    count: float
    mean: float
    half_width: float | None
    n: int


@dataclass(frozen=True)
class Bar:
    """One method in one shot group; see ``Place``."""

    label: str
    group: str
    mean: float
    half_width: float | None
    n: int


def chosen(table: Table) -> list[Row]:
    """The rows shown by default: the reference, and the leader of each track, ranked if any is."""
    tracks = [[row for row in table.rows if row.track == track] for track in TRACKS]
    # the highest mean stands first, and the sort keeps the order
    firsts = [sorted(own, key=lambda row: row.ranks is None)[0] for own in tracks if own]
    wanted = [*([table.reference] if table.reference else []), *firsts]
    return list({row.hash: row for row in wanted}.values())


def places(table: Table, rows: Sequence[Row]) -> list[Place]:
    """Some rows of a leaderboard at every place along the tail, row by row."""
    named = names(table.rows)
    return [
        Place(named[row.hash], found.rank, found.count, 100 * found.accuracy.mean,
              shown_width(found.accuracy), found.accuracy.n)
        for row in rows
        for found in along_tail(row.records)
    ]  # fmt: skip


def bars(table: Table, rows: Sequence[Row]) -> list[Bar]:
    """Some rows of a leaderboard in every shot group that has classes."""
    found, named = [], names(table.rows)
    for row in rows:
        groups = [record.metrics.groups[table.convention] for record in row.records]
        for group in GROUPS:
            values = [a for each in groups if (a := getattr(each, group)) is not None]
            if values:
                made = stats.estimate(values)
                found.append(
                    Bar(named[row.hash], group, 100 * made.mean, shown_width(made), made.n)
                )
    return found


def draw_places(found: Sequence[Place], ax: "Axes | None" = None) -> "tuple[Figure, Axes]":
    """Lines with bands, the head at the left.

    Args:
        found: of ``places``, at least one.
        ax: axes to draw in; None makes a figure of one column.
    """
    labels = list(dict.fromkeys(place.label for place in found))
    with canvas(ax, _HEIGHT + _ENTRY * len(labels)) as (figure, axes):
        few, bands = len(found) <= _FEW_PLACES * len(labels), len(labels) <= MOST_BANDS
        for number, label in enumerate(labels):
            shift = 0.0 if bands else _APART * (number - (len(labels) - 1) / 2)
            spots = [
                Spot(place.rank + shift, place.mean, place.half_width)
                for place in found
                if place.label == label
            ]
            draw_series(axes, spots, mark(number), label, bands=bands or not few, marked=few)
        _name_places(axes, [place for place in found if place.label == labels[0]], few)
        axes.set_ylabel(accuracy_label(place.n for place in found))
        axes.set_ylim(max(axes.get_ylim()[0], 0.0))
        cap(axes)
        axes.grid(axis="y")
        above(axes, 1)
    return figure, axes


def _name_places(axes: "Axes", first: Sequence[Place], few: bool) -> None:
    axes.set_xlabel("class, by real training images")
    if few:
        named = [f"{place.rank}\n{place.count:,.0f}" for place in first]
        axes.set_xticks([place.rank for place in first], named)
        axes.set_xlabel("class by rank, and its real training images")


def _or_none(half_width: float | None) -> float:
    """A half-width as matplotlib takes it; not a number where there is no interval."""
    return math.nan if half_width is None else half_width


def draw_bars(found: Sequence[Bar], ax: "Axes | None" = None) -> "tuple[Figure, Axes]":
    """A cluster of bars for each shot group, one bar a method, from zero.

    Args:
        found: of ``bars``, at least one.
        ax: axes to draw in; None makes a figure of one column.
    """
    labels = list(dict.fromkeys(bar.label for bar in found))
    groups = [group for group in GROUPS if any(bar.group == group for bar in found)]
    at: dict[str, int] = {group: place for place, group in enumerate(groups)}
    with canvas(ax, _HEIGHT + _ENTRY * len(labels)) as (figure, axes):
        width = _BARS / len(labels)
        for number, label in enumerate(labels):
            look = mark(number)
            own = [bar for bar in found if bar.label == label]
            shift = (number - (len(labels) - 1) / 2) * width
            axes.bar(
                [at[bar.group] + shift for bar in own], [bar.mean for bar in own],
                width * 0.92, yerr=[_or_none(bar.half_width) for bar in own], label=label,
                color="white" if look.hatch else look.colour, edgecolor=look.colour,
                hatch=look.hatch, linewidth=0.7,
                error_kw={"elinewidth": 0.8, "capsize": 1.4, "ecolor": "0.3"},
            )  # fmt: skip
        axes.set_xticks(range(len(groups)), [group.capitalize() for group in groups])
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(0, 100)
        axes.set_ylabel(accuracy_label(bar.n for bar in found))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        above(axes, 1)
    return figure, axes
