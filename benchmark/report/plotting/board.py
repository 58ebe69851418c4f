"""A leaderboard as dots with intervals, tracks apart, the reference as a line."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, Table
from benchmark.recording.record_models import TRACKS, Track
from benchmark.report.plotting.names import names
from benchmark.report.plotting.style import (
    GREY,
    TRACK_MARKS,
    accuracy_label,
    canvas,
    shown_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 40
_LETTERS = 34
_LINE = 0.115  # inches
_FRAME = 0.55
# percent; an interval may go further, an accuracy cannot
_RIGHT = 101.0


@dataclass(frozen=True)
class Dot:
    """A row of a leaderboard.

    Attributes:
        track: where added images come from.
        label: the method.
        mean: accuracy over seeds, percent.
        half_width: of its 95 % interval; None where it has too few seeds for one.
        n: seeds.
        ranks: range of ranks as text; "" for an unranked row.
        reference: whether the others are compared with it.
    """

    track: Track
    label: str
    mean: float
    half_width: float | None
    n: int
    ranks: str
    reference: bool


def rows(table: Table, most: int = MOST) -> list[Dot]:
    """The rows of a leaderboard in its order.

    Args:
        table: a leaderboard.
        most: where it has more rows, only the reference and those with the highest means of each
            track, by turns.
    """
    kept, named = _kept(table, most), names(table.rows)
    return [_dot(row, table, named[row.hash]) for row in table.rows if row.hash in kept]


def _kept(table: Table, most: int) -> set[str]:
    """Hashes of the rows shown; rows of a track stand in order of their means."""
    tracks = [[row for row in table.rows if row.track == track] for track in TRACKS]
    turns = [row for row in chain.from_iterable(zip_longest(*tracks)) if row]
    first = [table.reference] if table.reference else []
    return set(list(dict.fromkeys(row.hash for row in [*first, *turns]))[:most])


def _dot(row: Row, table: Table, name: str) -> Dot:
    return Dot(
        track=row.track,
        label=name,
        mean=100 * row.accuracy.mean,
        half_width=shown_width(row.accuracy),
        n=row.accuracy.n,
        ranks=text.ranks(row.ranks) if row.ranks else "",
        reference=table.reference is not None and row.hash == table.reference.hash,
    )


@dataclass(frozen=True)
class _Line:
    """A place on the vertical axis; a track's name where ``dot`` is None."""

    at: float
    label: str
    dot: Dot | None


def _lines(dots: Sequence[Dot]) -> Iterator[_Line]:
    """Places from top to bottom, each as high as its label has lines."""
    edge = 0.0
    for track in TRACKS:
        own = [dot for dot in dots if dot.track == track]
        if own:
            yield _Line(edge + 0.7, track, None)
            edge += 1.3
        for dot in own:
            label = "\n".join(textwrap.wrap(dot.label, _LETTERS)) or dot.label
            size = 1.0 + 0.8 * label.count("\n")
            yield _Line(edge + size / 2, label, dot)
            edge += size


def draw(dots: Sequence[Dot], ax: "Axes | None" = None) -> "tuple[Figure, Axes]":
    """Dots with intervals; grey and hollow without a rank; ranks at the right.

    Args:
        dots: of ``rows``, at least one.
        ax: axes to draw in; None makes a figure of one column.
    """
    lines = list(_lines(dots))
    end = lines[-1].at + 0.8
    with canvas(ax, _FRAME + _LINE * end) as (figure, axes):
        for line in lines:
            if line.dot:
                _draw_dot(axes, line.at, line.dot)
        for dot in dots:
            if dot.reference:
                axes.axvline(dot.mean, color=GREY, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        axes.set_ylim(end, 0)
        _write_labels(axes, lines)
        axes.set_xlim(right=min(axes.get_xlim()[1], _RIGHT))
        axes.set_xlabel(accuracy_label(dot.n for dot in dots))
        axes.grid(axis="x")
        axes.set_axisbelow(True)
    return figure, axes


def _draw_dot(axes: "Axes", at: float, dot: Dot) -> None:
    look = TRACK_MARKS[dot.track]
    colour = look.colour if dot.ranks else GREY
    axes.errorbar(
        dot.mean, at, xerr=dot.half_width, color=colour, marker=look.marker, linestyle="none",
        markerfacecolor=colour if dot.ranks else "white", elinewidth=0.9, capsize=1.6, zorder=3,
    )  # fmt: skip
    # beside the axes, at the height of the dot
    said = dot.ranks or f"n = {dot.n}"
    axes.text(1.02, at, said, transform=axes.get_yaxis_transform(), va="center",
              color="black" if dot.ranks else GREY, fontsize="small")  # fmt: skip


def _write_labels(axes: "Axes", lines: Sequence[_Line]) -> None:
    axes.set_yticks([line.at for line in lines], [line.label for line in lines])
    axes.tick_params(axis="y", length=0)
    for line, label in zip(lines, axes.get_yticklabels(), strict=True):
        label.set_linespacing(0.95)
        if line.dot is None:
            label.set_fontweight("bold")
        elif not line.dot.ranks:
            label.set_color(GREY)
    axes.text(1.02, lines[0].at, "rank", transform=axes.get_yaxis_transform(), va="center",
              fontweight="bold", fontsize="small")  # fmt: skip
